// `topics apply` on a real broker: what it changes, and what somebody else has set that it leaves alone.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, afterEach, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import kafkajs from 'kafkajs'
import type { Admin } from 'kafkajs'
import { connectAdmin, createKafkaClient } from '../../src/adapters/kafka/client.ts'
import { applyTopics, planFor } from '../../src/adapters/kafka/topics.ts'
import type { TopicToApply } from '../../src/adapters/kafka/topics.ts'
import { SluiceError } from '../../src/core/error.ts'
import { KAFKA, noKafka, until } from '../fakes/stream-worlds.ts'

const TOPIC = kafkajs.ConfigResourceTypes.TOPIC

describe('topics on a broker', { skip: noKafka, timeout: 60_000 }, () => {
  let admin: Admin
  let name: string
  before(async () => {
    admin = await connectAdmin(createKafkaClient(KAFKA), KAFKA)
  })
  after(() => admin.disconnect())
  beforeEach(() => {
    name = `topics.${randomBytes(4).toString('hex')}`
  })
  afterEach(() => admin.deleteTopics({ topics: [name] }).catch(() => {}))

  const wanted = (config: Record<string, string>, partitions = 1): TopicToApply[] => [
    { name, partitions, replication: 1, config },
  ]
  async function apply(topics: readonly TopicToApply[]): Promise<string> {
    const plan = await planFor(admin, topics)
    await applyTopics(admin, topics, plan)
    return plan[0]!.kind
  }
  async function configOf(...names: string[]): Promise<Record<string, string>> {
    const resources = [{ type: TOPIC, name, configNames: names }]
    const described = await admin.describeConfigs({ includeSynonyms: false, resources })
    return Object.fromEntries(described.resources[0]!.configEntries.map((it) => [it.configName, it.configValue]))
  }
  /** As an operator does: the whole configuration, by hand. */
  async function setByHand(config: Record<string, string>): Promise<void> {
    const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }))
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: TOPIC, name, configEntries }] })
    await until('the broker works by it', async () => isDeepStrictEqual(await configOf(...Object.keys(config)), config))
  }

  test('are created as wanted, then kept', async () => {
    assert.equal(await apply(wanted({ 'retention.ms': '60000' })), 'create')
    assert.equal(await apply(wanted({ 'retention.ms': '60000' })), 'keep')
    assert.deepEqual(await configOf('retention.ms'), { 'retention.ms': '60000' })
  })

  test('keep what an operator has set and the file does not name', async () => {
    await apply(wanted({ 'retention.ms': '60000' }))
    const own = { 'max.message.bytes': '2097152', 'min.insync.replicas': '1' }
    await setByHand({ 'retention.ms': '60000', ...own })
    assert.equal(await apply(wanted({ 'retention.ms': '120000' })), 'configure')
    assert.deepEqual(await configOf('retention.ms', ...Object.keys(own)), { 'retention.ms': '120000', ...own })
    assert.equal(await apply(wanted({ 'retention.ms': '120000' })), 'keep')
  })

  test('are left alone where anything is refused', async () => {
    await apply(wanted({ 'retention.ms': '60000' }))
    await assert.rejects(
      apply(wanted({ 'retention.ms': '120000' }, 2)),
      (error) => error instanceof SluiceError && error.code === 'SL206',
    )
    assert.deepEqual(await configOf('retention.ms'), { 'retention.ms': '60000' })
  })
})
