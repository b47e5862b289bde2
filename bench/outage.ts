// How fast the classify role is while the LLM answers 500, for minutes, beside the same before and after it; what the
// outage does to the fallback role's heap, how often the LLM is tried, and how long what waited takes to drain.
//   npm run bench outage              BENCH_OUTAGE_S=300, BENCH_PRODUCTS=60000 a round
// Each round is a backlog of products never seen before and a fresh process: first commit to last. On a machine with other
// work the processor time a product is the steadier figure.
import { join } from 'node:path'
import { startStandIn } from '../scripts/llm-stand-in.ts'
import { quantile } from '../src/core/statistics.ts'
import { audit, finished, lag } from '../test/support/audit.ts'
import { createDeployment, ROOT } from '../test/support/deployment.ts'
import { HEAP, metric } from '../test/support/metrics.ts'
import { products } from '../test/support/products.ts'
import { freePort } from '../scripts/stack/ports.ts'
import { startSluice } from '../test/support/sluice.ts'
import { openBroker, sleep } from '../test/support/stack.ts'
import { benchArguments } from './support/arguments.ts'

benchArguments({})
const OUTAGE_MS = Number(process.env['BENCH_OUTAGE_S'] ?? 300) * 1_000
const COUNT = Number(process.env['BENCH_PRODUCTS'] ?? 60_000)
const ROUNDS = 3
const ROUNDS_IN_OUTAGE = 5
const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const DRAIN_WITHIN_MS = 1_200_000
const POLL_MS = 20

const examplesDir = join(ROOT, 'examples')
const standIn = await startStandIn({ port: 0, seed: 1, latency_ms: [50, 100], errorRate: 0, examplesDir })
const broker = await openBroker()
const port = await freePort()
const deployment = await createDeployment('outage-bench', {
  tasks: ['taxonomy'],
  gates: { taxonomy: [0.5, 0.4, 0.3] },
  settings: {
    llm: { base_url: standIn.url, api_key: 'none', model: 'sluice-stand-in' },
    http: { port: '${SLUICE_HTTP_PORT:-0}' },
    log: { level: 'warn' },
  },
})
await deployment.apply()
interface Round {
  /** Products a second. */
  readonly rate: number
  /** Microseconds of processor time a product. */
  readonly cpu_us: number
}

let produced = 0
const classifyLag = () => lag(broker, deployment.classifyGroup('taxonomy'), deployment.topic('products'))
const fallbackLag = () => lag(broker, deployment.fallbackGroup, deployment.topic('fallback'))
const mega = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
const say = (line: string) => console.log(line)

const fallback = startSluice(['run', 'fallback', '--config', deployment.config], {
  env: { SLUICE_HTTP_PORT: String(port) },
})
await round() // warms the machine up, not counted
const healthy = await rounds('LLM well', ROUNDS)
await finished(broker, deployment, TASKS, 'all', DRAIN_WITHIN_MS)

standIn.control({ mode: '500' })
const [began, calls] = [performance.now(), standIn.counters().calls]
const heaps: number[] = []
const watching = new AbortController()
const watched = watchHeap(watching.signal)
const dead: Round[] = []
for (let at = 0; at < ROUNDS_IN_OUTAGE; at++) {
  dead.push(...(await rounds('LLM dead', 1)))
  const next = began + ((at + 1) * OUTAGE_MS) / ROUNDS_IN_OUTAGE
  await sleep(Math.max(0, next - performance.now()))
}
watching.abort()
await watched
const seconds = (performance.now() - began) / 1_000
say(
  `${standIn.counters().calls - calls} calls in ${seconds.toFixed(0)} s of outage; ${await fallbackLag()} records wait`,
)
say(
  `fallback's heap: ${mega(heaps[0]!)} MB at first, at most ${mega(Math.max(...heaps))} MB, at last ${mega(heaps.at(-1)!)} MB`,
)

standIn.control({ mode: 'ok' })
const back = performance.now()
await finished(broker, deployment, TASKS, 'all', DRAIN_WITHIN_MS)
say(`drained ${((performance.now() - back) / 1_000).toFixed(1)} s after the LLM was back`)
const again = await rounds('LLM well again', ROUNDS - 1)
await finished(broker, deployment, TASKS, 'all', DRAIN_WITHIN_MS)
fallback.signal('SIGTERM')
await fallback.ended
const { count } = await audit(broker, deployment, TASKS, { finished: 'all' })
say(`nothing lost, nothing doubled: ${JSON.stringify(count)} of ${produced}`)
const middle = (rounds: readonly Round[], of: keyof Round) =>
  quantile(
    rounds.map((it) => it[of]),
    0.5,
  )!
const well = [...healthy, ...again]
const ratio = (of: keyof Round) => (middle(dead, of) / middle(well, of)).toFixed(3)
say(`middle rounds, dead over well: products/s ${ratio('rate')}, processor time a product ${ratio('cpu_us')}`)
await deployment.remove()
await broker.close()
await standIn.stop()

async function rounds(name: string, times: number): Promise<Round[]> {
  const done: Round[] = []
  for (let at = 0; at < times; at++) {
    const { rate, cpu_us } = await round()
    done.push({ rate, cpu_us })
    say(`${name.padEnd(16)} ${rate.toFixed(0).padStart(7)} products/s classified, ${cpu_us.toFixed(1)} µs of CPU each`)
  }
  return done
}

/** A topic that was full before, from the first commit seen to the last; processor time of the whole process. */
async function round(): Promise<Round> {
  await deployment.produce('products', products(COUNT, produced))
  produced += COUNT
  const own = await freePort()
  const classify = startSluice(['run', 'classify', '--config', deployment.config], {
    env: { SLUICE_HTTP_PORT: String(own) },
  })
  let over = false
  void classify.ended.then(() => (over = true))
  let first: { at: number; left: number } | undefined
  for (;;) {
    if (over) throw new Error(`classify ended: ${classify.tail()}`)
    const left = await classifyLag()
    if (left < COUNT) first ??= { at: performance.now(), left }
    if (left === 0) break
    await sleep(POLL_MS)
  }
  const rate = (first!.left / (performance.now() - first!.at)) * 1_000
  const cpu_us = ((await metric(own, 'process_cpu_seconds_total')) * 1e6) / COUNT
  classify.signal('SIGTERM')
  await classify.ended
  return { rate, cpu_us }
}

async function watchHeap(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    heaps.push(await metric(port, HEAP))
    await sleep(1_000)
  }
}
