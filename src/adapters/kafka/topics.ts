// Reads the broker's topics and carries out a plan (core/plan.ts). Never deletes, never adds partitions.
import kafkajs from 'kafkajs'
import { SluiceError } from '../../core/error.ts'
import { planTopics } from '../../core/plan.ts'
import type { Admin } from 'kafkajs'
import type { FoundTopic, TopicStep, WantedTopic } from '../../core/plan.ts'

export interface TopicToApply extends WantedTopic {
  readonly replication: number
}

const IN_FORCE_WITHIN_MS = 15_000

export async function planFor(admin: Admin, wanted: readonly WantedTopic[]): Promise<TopicStep[]> {
  return planTopics(wanted, await findTopics(admin, wanted))
}

async function findTopics(admin: Admin, wanted: readonly WantedTopic[]): Promise<Map<string, FoundTopic>> {
  const existing = new Set(await admin.listTopics())
  const topics = wanted.filter(({ name }) => existing.has(name))
  if (topics.length === 0) return new Map()
  const metadata = await admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) })
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map(({ name, config }) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name,
      configNames: Object.keys(config),
    })),
  })
  return new Map(
    metadata.topics.map(({ name, partitions }) => {
      const entries = resources.find((it) => it.resourceName === name)?.configEntries ?? []
      const config = Object.fromEntries(entries.map((entry) => [entry.configName, entry.configValue]))
      return [name, { partitions: partitions.length, config }]
    }),
  )
}

/** Throws SL206 before anything is changed when the plan holds a refusal. Resolves when the broker works by the plan. */
export async function applyTopics(
  admin: Admin,
  wanted: readonly TopicToApply[],
  plan: readonly TopicStep[],
): Promise<void> {
  const refused = plan.filter(({ kind }) => kind === 'refuse')
  if (refused.length > 0)
    throw new SluiceError('SL206', refused.map(({ topic, says }) => `topic ${topic} ${says}`).join('; '))
  const named = (kind: TopicStep['kind']) =>
    wanted.filter(({ name }) => plan.some((it) => it.kind === kind && it.topic === name))
  const create = named('create')
  if (create.length > 0) await createAll(admin, create)
  const configure = named('configure')
  if (configure.length > 0) await configureAll(admin, configure)
  await inForce(admin, [...create, ...configure])
}

/** A broker says yes before it has made the change. kafkajs's own waiting fails on one that has just started. */
async function inForce(admin: Admin, topics: readonly TopicToApply[]): Promise<void> {
  const deadline = performance.now() + IN_FORCE_WITHIN_MS
  for (;;) {
    const missing = await notYet(admin, topics)
    if (missing.length === 0) return
    if (performance.now() > deadline)
      throw new SluiceError('SL202', `${missing.join(', ')}: applied, but the broker does not work by it yet`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function notYet(admin: Admin, topics: readonly TopicToApply[]): Promise<string[]> {
  if (topics.length === 0) return []
  const names = topics.map(({ name }) => name)
  try {
    const metadata = await admin.fetchTopicMetadata({ topics: names })
    const led = metadata.topics.filter(
      ({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0),
    )
    const open = (await planFor(admin, topics)).filter(({ kind }) => kind !== 'keep')
    return names.filter((name) => !led.some((it) => it.name === name) || open.some(({ topic }) => topic === name))
  } catch {
    return names
  }
}

/** The request replaces a topic's whole configuration: what somebody else has set on the topic is sent with it. */
async function configureAll(admin: Admin, topics: readonly TopicToApply[]): Promise<void> {
  const type = kafkajs.ConfigResourceTypes.TOPIC
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map(({ name }) => ({ type, name })),
  })
  const setOn = (topic: string): [string, string][] =>
    (resources.find(({ resourceName }) => resourceName === topic)?.configEntries ?? [])
      .filter(({ configSource, readOnly }) => configSource === kafkajs.ConfigSource.TOPIC_CONFIG && !readOnly)
      .map(({ configName, configValue }) => [configName, configValue])
  await admin.alterConfigs({
    validateOnly: false,
    resources: topics.map(({ name, config }) => ({
      type,
      name,
      configEntries: Object.entries({ ...Object.fromEntries(setOn(name)), ...config }).map(([key, value]) => ({
        name: key,
        value,
      })),
    })),
  })
}

async function createAll(admin: Admin, topics: readonly TopicToApply[]): Promise<void> {
  await admin.createTopics({
    waitForLeaders: false,
    topics: topics.map(({ name, partitions, replication, config }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: replication,
      configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
    })),
  })
}
