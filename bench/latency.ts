// One record at a time on an idle stream: milliseconds from produce to a committed outcome that a read_committed
// reader has, and where the time went.
//   npm run bench latency            BENCH_RECORDS=300 by default
import { loadDeployment } from '../src/adapters/config/load.ts'
import { createKafkaClient } from '../src/adapters/kafka/client.ts'
import { readFromStart } from '../src/adapters/kafka/reader.ts'
import { kafkaSettings } from '../src/cli/apply.ts'
import { openSender } from '../src/cli/produce.ts'
import { createDeployment } from '../test/support/deployment.ts'
import { startSluice } from '../test/support/sluice.ts'
import { benchProducts } from './support/products.ts'
import { benchArguments } from './support/arguments.ts'

benchArguments({})
const COUNT = Number(process.env['BENCH_RECORDS'] ?? 300)
const WARM_UP = 200
const HTTP_PORT = '19465'
const ANSWERED_WITHIN_MS = 10_000

const { products } = await benchProducts(COUNT + WARM_UP)
const deployment = await createDeployment('latency', {
  tasks: ['taxonomy'],
  settings: {
    local: { workers: 2 },
    log: { level: 'info' },
    redis: { url: '${SLUICE_REDIS:-}' },
    http: { port: Number(HTTP_PORT) },
    kafka: { session_timeout_ms: 30_000, heartbeat_interval_ms: 3_000, fetch_wait_ms: 500 },
  },
})
await deployment.apply()
const loaded = await loadDeployment(deployment.config, process.env)
const client = createKafkaClient(kafkaSettings(loaded.config))
const sluice = startSluice(['run', 'classify', '--config', deployment.config])
await sluice.until('running', ({ event, state }) => event === 'lifecycle.changed' && state === 'running')
const sender = await openSender(loaded, 'products')

let arrived: (() => void) | undefined
const reader = await readFromStart(
  client,
  `${deployment.classifyGroup('taxonomy')}.watch`,
  ['results', 'fallback', 'dead-letters'].map((alias) => deployment.topic(alias)),
  () => arrived?.(),
)
const took: number[] = []
for (const [index, product] of products.entries()) {
  const outcome = Promise.withResolvers<void>()
  const late = setTimeout(() => outcome.reject(new Error(`no outcome in ${ANSWERED_WITHIN_MS} ms`)), ANSWERED_WITHIN_MS)
  arrived = outcome.resolve
  const start = performance.now()
  await sender.send([{ ...product }], 'id')
  await outcome.promise
  clearTimeout(late)
  if (index >= WARM_UP) took.push(performance.now() - start)
}
took.sort((a, b) => a - b)
const at = (share: number): string =>
  `${took[Math.min(took.length - 1, Math.floor(share * took.length))]!.toFixed(1)} ms`
process.stdout.write(
  `${COUNT} records, one at a time, after ${WARM_UP} to warm up; produce to committed outcome at a reader\n`,
)
process.stdout.write(`  p50 ${at(0.5)}   p90 ${at(0.9)}   p99 ${at(0.99)}   max ${at(1)}\n`)
await printHistograms()
await Promise.all([reader.close(), sender.close()])
sluice.signal('SIGTERM')
await sluice.ended
await deployment.remove()
process.exit(0)

/** Per stage: how many batches fell under each bound, warm-up included. */
async function printHistograms(): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${HTTP_PORT}/metrics`)).text()
  const buckets = [...text.matchAll(/^sluice_stage_seconds_bucket\{le="([^"]+)",.*stage="([^"]+)"\} (\d+)$/gm)]
  for (const [stage, rows] of Map.groupBy(buckets, (row) => row[2]!)) {
    let below = 0
    const bars = rows.flatMap(([, bound, , total]) => {
      const here = Number(total) - below
      below = Number(total)
      return here > 0 ? [`≤${bound === '+Inf' ? '∞' : `${Number(bound) * 1000} ms`}: ${here}`] : []
    })
    process.stdout.write(`  ${stage.padEnd(8)} ${bars.join('  ')}\n`)
  }
}
