// How fast the classify role is through a real broker (exactly_once, Avro, all headers), beside the model alone in
// process on the same titles in the same run. Their ratio is what the machine's noise leaves standing.
//   npm run bench classify            BENCH_PRODUCTS=200000 by default
import { join } from 'node:path'
import { connectAdmin, createKafkaClient } from '../src/adapters/kafka/client.ts'
import { createOffsets } from '../src/adapters/kafka/offsets.ts'
import { loadDeployment } from '../src/adapters/config/load.ts'
import { readModelFolder } from '../src/adapters/files/model-folder.ts'
import { openModel } from '../src/adapters/onnx/model.ts'
import { kafkaSettings } from '../src/cli/apply.ts'
import { silent } from '../src/ports/events.ts'
import { createDeployment, ROOT } from '../test/support/deployment.ts'
import { startSluice } from '../test/support/sluice.ts'
import { benchProducts } from './support/products.ts'
import { benchArguments } from './support/arguments.ts'

benchArguments({})
const COUNT = Number(process.env['BENCH_PRODUCTS'] ?? 200_000)
const HTTP_PORT = '19464'
const WORKERS = 2
const BATCH = 8192
const POLL_MS = 50

const { products, source } = await benchProducts(COUNT)
process.stdout.write(`${COUNT} different products made from ${source}, ${WORKERS} worker threads\n`)
const alone = await modelAlone()
process.stdout.write(`model alone, in process      ${rate(alone)}\n`)
const through = await throughBroker()
process.stdout.write(`through the broker           ${rate(through)}\n`)
process.stdout.write(`ratio                        ${(through / alone).toFixed(3)}\n`)

function rate(perSecond: number): string {
  return `${String(Math.round(perSecond)).padStart(8)} products/s`
}

async function modelAlone(): Promise<number> {
  const model = await openModel(await readModelFolder(join(ROOT, 'models/taxonomy/champion')), {
    workers: WORKERS,
    emit: silent,
    task: 'bench',
  })
  const inputs = products.map(({ title, brand }) => [title, brand ?? ''])
  await model.classify(inputs.slice(0, BATCH), { shortlist: 8 })
  const start = performance.now()
  for (let from = 0; from < inputs.length; from += BATCH)
    await model.classify(inputs.slice(from, from + BATCH), { shortlist: 8 })
  const seconds = (performance.now() - start) / 1000
  await model.close()
  return inputs.length / seconds
}

/** Products a second from the first commit to the last, of a topic that was full before. */
async function throughBroker(): Promise<number> {
  const deployment = await createDeployment('bench', {
    tasks: ['taxonomy'],
    settings: {
      local: { workers: WORKERS },
      log: { level: 'warn' },
      redis: { url: '${SLUICE_REDIS:-}' },
      http: { port: Number(HTTP_PORT) },
      kafka: { session_timeout_ms: 30_000, heartbeat_interval_ms: 3_000, fetch_wait_ms: 500 },
    },
    topics: { results: { partitions: 4 }, fallback: { partitions: 4 } },
  })
  await deployment.apply()
  await deployment.produce('products', products as never)
  const { config } = await loadDeployment(deployment.config, process.env)
  const settings = kafkaSettings(config)
  const admin = await connectAdmin(createKafkaClient(settings), settings)
  const offsets = createOffsets(admin)
  const sluice = startSluice(['run', 'classify', '--config', deployment.config])
  let first: { at: number; done: number } | undefined
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    const done = COUNT - (await offsets.lag(deployment.classifyGroup('taxonomy'), [deployment.topic('products')]))
    if (done > 0) first ??= { at: performance.now(), done }
    if (done >= COUNT) break
  }
  const seconds = (performance.now() - first!.at) / 1000
  await printStages()
  sluice.signal('SIGTERM')
  await sluice.ended
  await admin.disconnect()
  await deployment.remove()
  return (COUNT - first!.done) / seconds
}

/** Seconds that batches spent in each stage, added up over partitions that run at the same time, and the outcomes. */
async function printStages(): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${HTTP_PORT}/metrics`)).text()
  for (const line of text.split('\n')) {
    const stage = /^sluice_stage_seconds_sum\{.*stage="(?!wait)([^"]+)"\} (.+)$/.exec(line)
    if (stage) process.stdout.write(`  stage ${stage[1]!.padEnd(10)} ${Number(stage[2]).toFixed(2).padStart(8)} s\n`)
    const outcome = /^sluice_outcomes_total\{.*outcome="([^"]+)",tier="([^"]+)"\} (.+)$/.exec(line)
    if (outcome) process.stdout.write(`  ${outcome[1]}/${outcome[2]}: ${outcome[3]}\n`)
    const cpu = /^process_cpu_seconds_total (.+)$/.exec(line)
    if (cpu) process.stdout.write(`  processor time of the classify process ${Number(cpu[1]).toFixed(1)} s\n`)
  }
}
