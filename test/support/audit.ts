// Holds the outcome topics of a deployment against its input topics: reads all of both, asks the judge (verify.ts) for
// each task, and fails with the first offenders. Returns what there was, so that a test can tell that it tested something.
import assert from 'node:assert/strict'
import type { TestDeployment } from './deployment.ts'
import { eventually, placeOf, sleep } from './stack.ts'
import type { Broker } from './stack.ts'
import type { ReadRecord } from './log-reader.ts'
import { faults, verifyClassify, verifyFallback } from './verify.ts'

export interface AuditedTask {
  readonly task: string
  /** Alias of its input topic. */
  readonly topic: string
  /** Items of the record with this key; 1 where it is left out. */
  readonly items?: (key: string | undefined) => number
}

export interface AuditOptions {
  /** `all`: both roles have nothing left to do. `classify`: only what was sent to the fallback topic may wait. */
  readonly finished: 'all' | 'classify' | 'none'
  /** `at_least_once`: outcomes may come twice, and the second time out of order. */
  readonly delivery?: 'exactly_once' | 'at_least_once'
}

export interface Audit {
  readonly inputs: number
  /** Outcome records by kind. */
  readonly count: Readonly<Record<'result' | 'fallback' | 'dead-letter' | 'review', number>>
  /** What read_committed readers see of the outcome topics. */
  readonly outcomes: readonly ReadRecord[]
  /** Outcome records written by transactions that were aborted: no reader sees them. */
  readonly aborted: number
}

/**
 * Kafka writes the markers of a transaction after it has said yes to its end, one partition after the other: records of a
 * process that has just ended may be seen before its offsets, or the other way round. What is wrong for good stays wrong.
 */
const AT_REST_WITHIN_MS = 5_000

export async function audit(
  broker: Broker,
  deployment: TestDeployment,
  tasks: readonly AuditedTask[],
  options: AuditOptions,
): Promise<Audit> {
  const deadline = performance.now() + AT_REST_WITHIN_MS
  for (;;) {
    try {
      return await auditNow(broker, deployment, tasks, options)
    } catch (error) {
      if (!(error instanceof assert.AssertionError) || performance.now() > deadline) throw error
      await sleep(200)
    }
  }
}

async function auditNow(
  broker: Broker,
  deployment: TestDeployment,
  tasks: readonly AuditedTask[],
  { finished, delivery = 'exactly_once' }: AuditOptions,
): Promise<Audit> {
  const outcomeTopics = ['results', 'fallback', 'dead-letters', 'reviews'].map(deployment.topic)
  const inputTopics = [...new Set(tasks.map(({ topic }) => deployment.topic(topic)))]
  const fallback = deployment.topic('fallback')
  const labelTopic = deployment.topic('labels')
  const [written, inputs, sent] = await Promise.all([
    broker.readNow([...outcomeTopics, labelTopic]),
    broker.readNow(inputTopics).then(({ committed }) => committed),
    broker.committed(deployment.fallbackGroup, [fallback]),
  ])
  const isOutcome = ({ topic, headers }: ReadRecord) =>
    topic !== labelTopic && headers['sluice-outcome'] !== 'provisional'
  const outcomes = written.committed.filter(isOutcome)
  const labels = written.committed.filter(({ topic }) => topic === labelTopic)
  for (const { task, topic, items = () => 1 } of tasks) {
    const name = deployment.topic(topic)
    const own = inputs.filter((record) => record.topic === name).map((it) => ({ ...it, items: items(it.key) }))
    const group = deployment.classifyGroup(task)
    const committed = await broker.committed(group, [name])
    const found = verifyClassify({ task, inputs: own, outcomes, committed })
    const report = faults(delivery === 'exactly_once' ? found : { ...found, doubled: [], outOfOrder: [] })
    assert.equal(report, undefined, `classify, task ${task}:\n${report}`)
    const second = faults(verifyFallback({ task, outcomes, committed: sent }, labels))
    assert.equal(second, undefined, `fallback, task ${task}:\n${second}`)
    if (finished !== 'none') atEnd(group, own, committed)
  }
  if (finished !== 'none') assert.equal(written.open.length, 0, 'a transaction was left open: it holds up every reader')
  if (finished === 'all') {
    const waiting = outcomes.filter((record) => record.topic === fallback)
    atEnd(deployment.fallbackGroup, waiting, sent)
  }
  const count = { result: 0, fallback: 0, 'dead-letter': 0, review: 0 }
  for (const { headers } of outcomes) count[headers['sluice-outcome'] as keyof typeof count]++
  return { inputs: inputs.length, count, outcomes, aborted: written.aborted.length }
}

type Placed = Pick<ReadRecord, 'topic' | 'partition' | 'offset'>

/** Every record is below the committed offset of its partition. */
function atEnd(group: string, records: readonly Placed[], committed: ReadonlyMap<string, bigint>): void {
  const waiting = records.filter(
    ({ topic, partition, offset }) => offset >= (committed.get(placeOf(topic, partition)) ?? 0n),
  )
  assert.equal(waiting.length, 0, `${waiting.length} records of ${records.length} wait for group ${group}`)
}

/** Offsets of the topic that the group has not committed yet: records, and the markers of transactions between them. */
export async function lag(broker: Broker, group: string, topic: string): Promise<number> {
  const [ends, committed] = await Promise.all([broker.ends([topic]), broker.committed(group, [topic])])
  let records = 0n
  for (const [place, end] of ends) records += end - (committed.get(place) ?? 0n)
  return Number(records)
}

const STILL_MS = 2_000

/** Waits until the roles have nothing left to do; classify first, because it makes work for the other. */
export async function finished(
  broker: Broker,
  deployment: TestDeployment,
  tasks: readonly AuditedTask[],
  roles: 'all' | 'classify',
  within_ms = 60_000,
): Promise<void> {
  const stages = tasks.map(({ task, topic }) => [deployment.classifyGroup(task), deployment.topic(topic)] as const)
  if (roles === 'all') stages.push([deployment.fallbackGroup, deployment.topic('fallback')])
  let before = { lag: -1, since: 0 }
  const isDone = async () => {
    let left = 0
    for (const [group, topic] of stages) left += await lag(broker, group, topic)
    if (left === 0) return true
    if (left !== before.lag) before = { lag: left, since: performance.now() }
    else if (performance.now() - before.since > STILL_MS && (await onlyMarkers(broker, stages))) return true
    return undefined
  }
  await eventually('the roles have nothing left to do', within_ms, isDone)
}

/** A consumer commits no offset for markers and aborted records that nothing follows: that is no work left. */
async function onlyMarkers(broker: Broker, stages: readonly (readonly [string, string])[]): Promise<boolean> {
  for (const [group, topic] of stages) {
    const [{ committed: records, open }, committed] = await Promise.all([
      broker.readNow([topic]),
      broker.committed(group, [topic]),
    ])
    if (open.length > 0) return false
    if (records.some(({ partition, offset }) => offset >= (committed.get(placeOf(topic, partition)) ?? 0n)))
      return false
  }
  return true
}
