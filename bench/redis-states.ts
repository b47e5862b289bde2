// What each state of Redis adds to a batch: the exact and the similar tier asked about texts that nobody knows, and told
// the answers, beside the same without Redis, batch by batch in turn. What a batch adds is the time that its process waited
// idle and the processor time it used more: other work on the machine is not Redis's. Needs redis-server.
//   npm run bench redis-states [-- --json]
import { itemOf } from '../test/fakes/items.ts'
import { LLM_SAID, openProcess, STATES } from '../test/support/redis-states.ts'
import type { NamedState, Process } from '../test/support/redis-states.ts'
import { quantile } from '../src/core/statistics.ts'

const ROUNDS = 5
const BATCHES = 30
const ITEMS = 100

const asJson = process.argv.includes('--json')
if (!asJson)
  console.log(`${BATCHES} batches of ${ITEMS} items, ${ROUNDS} times; milliseconds beside the same without Redis`)
for (const state of STATES) {
  const rounds: number[][] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await addedIn(state, round))
  const all = rounds.flat()
  const found = {
    state: state.name,
    first: quantile(
      rounds.map(([first]) => first!),
      0.5,
    )!,
    middle: quantile(all, 0.5)!,
    p99: quantile(all, 0.99)!,
    worst: Math.max(...all),
    mean: all.reduce((sum, ms) => sum + ms, 0) / all.length,
  }
  if (asJson) console.log(JSON.stringify(found))
  else {
    const ms = (value: number) => value.toFixed(1).padStart(6)
    console.log(
      `  ${state.name.padEnd(16)} first batch ${ms(found.first)}  middle ${ms(found.middle)}  mean ${ms(found.mean)}  p99 ${ms(found.p99)}  worst ${ms(found.worst)}`,
    )
  }
}

/** By batch: milliseconds that it took with the Redis of this state less what it took without any. */
async function addedIn({ open }: NamedState, round: number): Promise<number[]> {
  const redis = await open()
  const [ill, none] = await Promise.all([openProcess(redis.url), openProcess(undefined)])
  for (let batch = 0; batch < 3; batch++) for (const it of [ill, none]) await timed(it, `warm ${round}`, batch)
  await redis.spoil()
  const added: number[] = []
  for (let batch = 0; batch < BATCHES; batch++) {
    const without = await timed(none, `cold ${round}`, batch)
    added.push((await timed(ill, `cold ${round}`, batch)) - without)
  }
  ill.close()
  none.close()
  await redis.stop()
  return added
}

async function timed(tiers: Process, what: string, batch: number): Promise<number> {
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
  return performance.eventLoopUtilization(loop).idle + (user + system) / 1_000
}
