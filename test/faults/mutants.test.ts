// The fault tests would notice: the very mistakes that the delivery protocol guards against, made on purpose in child
// processes, are caught by the judge. It takes a minute, so only where asked for: SLUICE_TEST_MUTANTS=1.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { audit, finished } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import { faultAt } from '../support/fault-point.ts'
import type { FaultPoint } from '../support/fault-point.ts'
import { mutated } from '../support/mutate.ts'
import type { Mutant } from '../support/mutate.ts'
import { products } from '../support/products.ts'
import { isStopped, startSluice } from '../support/sluice.ts'
import type { Sluice } from '../support/sluice.ts'
import { eventually, noStack, openBroker, sleep } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 6_000
const WAKING_MS = 2_000
const skip =
  noStack || (process.env['SLUICE_TEST_MUTANTS'] ? false : 'takes a minute: SLUICE_TEST_MUTANTS=1 asks for it')

const WRITER = 'adapters/kafka/writer.ts'
const STREAM = 'adapters/kafka/stream.ts'
const SEND =
  'for (const part of parts(records)) await transaction.sendBatch({ topicMessages: byTopic(part), acks: -1 })'
const OFFSETS = `sendOffsets({
    consumerGroupId: group,
    topics: [{ topic, partitions: [{ partition, offset: String(nextOffset) }] }],
  })`
const OFFSETS_FIRST = `await transaction.${OFFSETS}
  await transaction.commit()
  const late = await producer.transaction()
  for (const part of parts(records)) await late.sendBatch({ topicMessages: byTopic(part), acks: -1 })
  await late.commit()
  return`
const OFFSETS_APART = `${SEND}
  await transaction.commit()
  const late = await producer.transaction()
  await late.${OFFSETS}
  await late.commit()
  return`

interface World {
  readonly run: (fault?: FaultPoint) => Sluice
  readonly finished: () => Promise<void>
}
type Scenario = (world: World) => Promise<void>

const killed =
  (fault: FaultPoint): Scenario =>
  async ({ run }) => {
    const process = run(fault)
    assert.equal(await process.ended, 'SIGKILL', process.tail())
  }

/** Frozen until another process has done all the work, then awake again. */
const frozen =
  (fault: FaultPoint): Scenario =>
  async ({ run, finished }) => {
    const zombie = run(fault)
    await eventually('frozen', 30_000, () => isStopped(zombie.pid) || undefined)
    const heir = run()
    await finished()
    zombie.signal('SIGCONT')
    await sleep(WAKING_MS)
    for (const process of [zombie, heir]) process.signal('SIGKILL')
  }

const drained: Scenario = async ({ run }) => {
  const process = run()
  await process.until('at work', ({ event }) => event === 'batch.committed')
  process.signal('SIGTERM')
  await process.ended
}

/** The heir has read where to go on, then the commit of the one before it arrives, and only then the heir claims. */
const crossed: Scenario = async ({ run }) => {
  const zombie = run({ request: 'EndTxn', nth: 6, when: 'before', signal: 'SIGSTOP' })
  await eventually('frozen before its commit', 30_000, () => isStopped(zombie.pid) || undefined)
  const heir = run({ request: 'InitProducerId', nth: 1, when: 'before', signal: 'SIGSTOP' })
  await eventually('frozen before its claim', 30_000, () => isStopped(heir.pid) || undefined)
  for (const process of [zombie, heir]) {
    process.signal('SIGCONT')
    await sleep(WAKING_MS)
    process.signal('SIGKILL')
  }
}

interface Case {
  readonly mistake: string
  readonly mutants: readonly Mutant[]
  readonly scenario: Scenario
  readonly caught: RegExp
}

const CASES: readonly Case[] = [
  {
    mistake: 'offsets are committed before outcomes are sent',
    mutants: [{ file: WRITER, from: SEND, to: OFFSETS_FIRST }],
    scenario: killed({ request: 'Produce', nth: 6, when: 'before', signal: 'SIGKILL' }),
    caught: /lost \d/,
  },
  {
    mistake: 'outcomes and offsets are committed by two transactions',
    mutants: [{ file: WRITER, from: SEND, to: OFFSETS_APART }],
    scenario: killed({ request: 'TxnOffsetCommit', nth: 6, when: 'before', signal: 'SIGKILL' }),
    caught: /doubled \d/,
  },
  {
    mistake: 'every claim has a transactional id of its own: nobody is fenced',
    mutants: [{ file: WRITER, from: '.${partition}`,', to: '.${partition}.${Math.random()}`,' }],
    scenario: frozen({ request: 'EndTxn', nth: 6, when: 'before', signal: 'SIGSTOP' }),
    caught: /doubled \d/,
  },
  {
    mistake: 'the committed offset is not read again after the claim',
    mutants: [{ file: WRITER, from: 'await claim.committedOffset()', to: '-1n' }],
    scenario: crossed,
    caught: /doubled \d/,
  },
  {
    mistake: 'kafkajs commits what it has handed out',
    mutants: [
      { file: STREAM, from: 'autoCommit: false,', to: 'autoCommit: true,' },
      { file: STREAM, from: 'eachBatchAutoResolve: false,', to: 'eachBatchAutoResolve: true,' },
    ],
    scenario: drained,
    caught: /lost \d/,
  },
]

describe('a mistake made on purpose is caught', { skip }, () => {
  let broker: Broker
  before(async () => {
    broker = await openBroker()
  })
  after(() => broker?.close())

  for (const { mistake, mutants, scenario, caught } of CASES)
    test(mistake, async (t) => {
      const deployment = await createDeployment('mutant', {
        tasks: ['taxonomy'],
        settings: { kafka: { batch_records_max: 50 } },
        withoutModel: true,
      })
      t.after(() => deployment.remove())
      await deployment.apply()
      await deployment.produce('products', products(PRODUCTS))
      const run = (fault?: FaultPoint) => {
        const changed = mutated(mutants)
        const armed = fault && faultAt(fault)
        const preload = [...changed.preload!, ...(armed?.preload ?? [])]
        return startSluice(['run', 'classify', '--config', deployment.config], {
          preload,
          env: { ...changed.env, ...armed?.env },
        })
      }
      const done = () => finished(broker, deployment, TASKS, 'classify')
      await scenario({ run, finished: done })
      const last = run()
      await done()
      last.signal('SIGKILL')
      await last.ended
      await assert.rejects(audit(broker, deployment, TASKS, { finished: 'none' }), caught)
    })
})
