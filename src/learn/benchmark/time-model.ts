// A local model takes the test: one item at a time for its latency and its answers, then in large batches for its
// throughput. The clock runs from text to answer.
import type { Given, Performance, Split } from '../../core/benchmark/score.ts'
import { NO_USAGE } from '../../core/llm/usage.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Model } from '../../ports/model.ts'

export interface LocalContestant {
  readonly name: string
  readonly model: Model
  /** US dollars an hour; undefined: the machine is not counted. */
  readonly machineUsdPerHour: number | undefined
}

export interface TimeDeps {
  readonly clock: Clock
  /** No item is asked after it. */
  readonly stop: AbortSignal
  readonly progress: (done: number, total: number) => void
}

const WARM_UP_ITEMS = 50
const BATCH_ITEMS = 8192
/** Throughput is taken over at least this long and this many items: one short batch would measure its own start. */
const BATCHES_MS = 500

export async function timeModel(
  { name, model, machineUsdPerHour }: LocalContestant,
  splits: readonly Split[],
  { clock, stop, progress }: TimeDeps,
): Promise<Performance> {
  const all = splits.flatMap(({ items }) => items.map(({ segments }) => segments))
  for (const segments of all.slice(0, WARM_UP_ITEMS)) await model.classify([segments], { shortlist: 1 })
  const latencies_ms: number[] = []
  const given: (Given | undefined)[][] = []
  for (const { items } of splits) {
    const answers: (Given | undefined)[] = items.map(() => undefined)
    for (const [index, { segments }] of items.entries()) {
      if (stop.aborted) break
      const started = clock.elapsed()
      const [said] = await model.classify([segments], { shortlist: 1 })
      latencies_ms.push(clock.elapsed() - started)
      answers[index] = said === undefined ? { why: 'failed' } : { label: said.label }
      progress(latencies_ms.length, all.length)
    }
    given.push(answers)
  }
  const itemsPerSecond = stop.aborted ? undefined : await throughput(model, all, clock)
  return {
    name,
    kind: 'local',
    model: model.digest,
    given,
    latencies_ms,
    batch: 1,
    usage: NO_USAGE,
    price: { input: 0, cached_input: 0, output: 0 },
    machineUsdPerHour,
    ...(itemsPerSecond === undefined ? {} : { itemsPerSecond }),
    ...(stop.aborted ? { failure: 'stopped before the end; run the same command again' } : {}),
  }
}

/** Items a second. The first pass warms up and is not counted where there is time for another. */
async function throughput(model: Model, inputs: readonly (readonly string[])[], clock: Clock): Promise<number> {
  const batches = Array.from({ length: Math.ceil(inputs.length / BATCH_ITEMS) }, (_, at) =>
    inputs.slice(at * BATCH_ITEMS, (at + 1) * BATCH_ITEMS),
  )
  const started = clock.elapsed()
  let items = 0
  do {
    for (const batch of batches) await model.classify(batch, { shortlist: 1 })
    items += inputs.length
  } while (clock.elapsed() - started < BATCHES_MS)
  return items / ((clock.elapsed() - started) / 1000)
}
