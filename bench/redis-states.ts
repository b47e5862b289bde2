// What each state of Redis adds to a batch: the exact and the similar tier asked about texts that nobody knows, and told
// the answers, beside the same without Redis, batch by batch in turn. What a batch adds is the time that its process waited
// idle and the processor time it used more: other work on the machine is not Redis's. Needs redis-server.
//   npm run bench redis-states [-- --json]
import { itemOf } from '../test/fakes/items.ts'
import { LLM_SAID, openProcess, STATES } from '../test/support/redis-states.ts'
import type { NamedState, Process } from '../test/support/redis-states.ts'
import { quantile } from '../src/core/statistics.ts'
import { benchArguments } from './support/arguments.ts'

const ROUNDS = 4
const BATCHES = 30
const WARM_BATCHES = 3
const ITEMS = 100

interface Cost {
  readonly waited_ms: number
  readonly cpu_ms: number
}

const { json: asJson } = benchArguments({ json: { type: 'boolean', default: false } }).values
if (!asJson)
  console.log(`${BATCHES} batches of ${ITEMS} items, ${ROUNDS} times; milliseconds beside the same without Redis`)
for (const state of STATES) {
  const rounds: Cost[][] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await addedIn(state, round))
  const all = rounds.flat()
  const waited = all.map(({ waited_ms }) => waited_ms)
  const found = {
    state: state.name,
    waitedFirst: Math.max(...rounds.map(([first]) => first!.waited_ms)),
    waitedWorst: Math.max(...waited),
    waitedMean: waited.reduce((sum, ms) => sum + ms, 0) / all.length,
    cpuMiddle: quantile(
      all.map(({ cpu_ms }) => cpu_ms),
      0.5,
    )!,
  }
  if (asJson) console.log(JSON.stringify(found))
  else {
    const [first, worst, mean, cpu] = [found.waitedFirst, found.waitedWorst, found.waitedMean, found.cpuMiddle].map(
      (value) => value.toFixed(1).padStart(6),
    )
    console.log(
      `  ${state.name.padEnd(16)} waited: first batch at most ${first}, any at most ${worst}, mean ${mean}; processor time, middle ${cpu}`,
    )
  }
}

/** By batch: what it cost with the Redis of this state more than without any. */
async function addedIn({ open }: NamedState, round: number): Promise<Cost[]> {
  const redis = await open()
  const [ill, none] = await Promise.all([openProcess(redis.url), openProcess(undefined)])
  for (let batch = 0; batch < WARM_BATCHES; batch++)
    for (const tiers of [ill, none]) await costOf(tiers, `warm ${round}`, batch)
  await redis.spoil()
  const added: Cost[] = []
  for (let batch = 0; batch < BATCHES; batch++) {
    const without = await costOf(none, `cold ${round}`, batch)
    const { waited_ms, cpu_ms } = await costOf(ill, `cold ${round}`, batch)
    added.push({ waited_ms: waited_ms - without.waited_ms, cpu_ms: cpu_ms - without.cpu_ms })
  }
  ill.close()
  none.close()
  await redis.stop()
  return added
}

async function costOf(tiers: Process, what: string, batch: number): Promise<Cost> {
  const items = Array.from({ length: ITEMS }, (_, at) => {
    const number = batch * ITEMS + at
    return itemOf(number, `${what} ${(number * 2_654_435_761) % 2 ** 32} thing ${number * 7_919} of its own kind`)
  })
  const [loop, processor] = [performance.eventLoopUtilization(), process.cpuUsage()]
  await tiers.answer(items)
  await tiers.learn(
    items,
    items.map(() => LLM_SAID),
  )
  const { user, system } = process.cpuUsage(processor)
  return { waited_ms: performance.eventLoopUtilization(loop).idle, cpu_ms: (user + system) / 1_000 }
}
