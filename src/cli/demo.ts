// `sluice demo`: streams the example events through real topics and shows what became of them.
// Uses topics and groups of its own (a prefix) and removes the topics at the end; never touches other topics.
import { setTimeout as sleep } from 'node:timers/promises'
import { formatsOf } from '../adapters/config/topics.ts'
import { connectAdmin, createKafkaClient } from '../adapters/kafka/client.ts'
import { readFromStart } from '../adapters/kafka/reader.ts'
import { createCodec } from '../adapters/registry/codec.ts'
import { deleteSubjects } from '../adapters/registry/schemas.ts'
import { SluiceError } from '../core/error.ts'
import { openProcess } from '../roles/process.ts'
import type { Deployment } from '../adapters/config/load.ts'
import { kafkaSettings } from './apply.ts'
import { load, numberOf, parse } from './command.ts'
import { demoEvents } from './demo/events.ts'
import { createScreen, dollars, saved, table } from './demo/screen.ts'
import { createTally } from './demo/tally.ts'
import type { DemoEvent } from './demo/events.ts'
import type { Snapshot } from './demo/screen.ts'
import { openSender, readRows } from './produce.ts'
import type { Row, Sender } from './produce.ts'
import { applyAllSchemas, schemasOf } from './schemas.ts'
import { applyAllTopics } from './topics.ts'

const HELP = `usage: sluice demo [--rate N] [--seed N] [--examples DIR] [--keep] [--config FILE] [--json]

Streams the example events through Kafka, the cache, the local models and the LLM, and shows the shares.
  --rate N         events a second (default 60)
  --keep           stay after the table, so that the metrics can be looked at; Ctrl-C ends
An LLM is needed: set OPENAI_API_KEY (and OPENAI_BASE_URL), or use \`npm run demo\`, which brings a stand-in.
`
const ANSWERED_WITHIN_MS = 60_000

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, {
    rate: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    examples: { type: 'string', default: 'examples' },
    keep: { type: 'boolean', default: false },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const rate = numberOf('rate', values.rate, { above: 0 })
  const seed = numberOf('seed', values.seed, { whole: true })
  const deployment = prefixed(await load(values.config))
  const events = demoEvents(
    await rowsOf(`${values.examples}/products.jsonl`),
    await rowsOf(`${values.examples}/queries.jsonl`),
    seed,
  )
  return stream(deployment, events, { rate, keep: values.keep, json: values.json })
}

/** The same deployment under names of its own, on any free port, quiet but for errors. */
function prefixed({ config, tasks, topics }: Deployment): Deployment {
  const { llm, http, kafka } = config
  const first = llm.providers[0]!
  if (first.api_key === '' && new URL(first.base_url).host === 'api.openai.com')
    throw new SluiceError(
      'SL101',
      'the demo needs an LLM: set OPENAI_API_KEY, or use `npm run demo`, which brings a stand-in',
    )
  const prefix = `sluice-demo-${Date.now().toString(36)}.`
  return {
    config: {
      ...config,
      kafka: { ...kafka, topic_prefix: prefix, group_prefix: `${prefix}sluice` },
      http: { ...http, port: 0 },
      log: { level: 'error' },
    },
    tasks,
    topics: new Map([...topics].map(([alias, topic]) => [alias, { ...topic, name: prefix + topic.name }])),
  }
}

interface Pace {
  readonly rate: number
  readonly keep: boolean
  readonly json: boolean
}

async function stream(
  deployment: Deployment,
  events: readonly DemoEvent[],
  { rate, keep, json }: Pace,
): Promise<number> {
  const { config, tasks } = deployment
  const out = json ? process.stderr : process.stdout
  const { model, base_url } = config.llm.providers[0]!
  out.write(`LLM: ${model} at ${new URL(base_url).host}\n`)
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  // Closed from the last to the first however we leave; what ended the roles is thrown there.
  await using opened = new AsyncDisposableStack()
  opened.defer(() => removeTraces(deployment))
  await applyAllTopics(deployment, { dryRun: false, json: false, quiet: true })
  await applyAllSchemas(deployment, { dryRun: false, json: false, quiet: true })
  const whole = await openProcess(deployment, ['classify', 'fallback'], tasks)
  let failure: unknown
  const running = whole.run()
  running.catch((error: unknown) => (failure = error))
  opened.defer(async () => {
    await whole.drain()
    await running
  })
  const watched = await watchOutcomes(deployment, events)
  opened.defer(() => watched.close().catch(() => {}))
  const open = async (alias: string): Promise<Sender> =>
    opened.adopt(await openSender(deployment, alias), (sender) => sender.close().catch(() => {}))
  const senders = { products: await open('products'), queries: await open('queries') }
  out.write(`${events.length} events, ${watched.total} items; metrics at ${whole.url}/metrics\n`)

  const screen = createScreen(out)
  const start = performance.now()
  let sent = 0
  const snapshot = (): Snapshot => ({ ...watched, ...watched.spent, sent, elapsed_ms: performance.now() - start })
  const over = (): boolean => stop.signal.aborted || failure !== undefined
  while (sent < events.length && !over()) {
    const due = Math.min(events.length, Math.ceil(((performance.now() - start) / 1000) * rate))
    for (const topic of ['products', 'queries'] as const) {
      const rows = events.slice(sent, due).filter((event) => event.topic === topic)
      await senders[topic].send(
        rows.map(({ row }) => row),
        'id',
      )
    }
    sent = Math.max(sent, due)
    screen.show(snapshot())
    await sleep(100)
  }
  const deadline = performance.now() + ANSWERED_WITHIN_MS
  while (watched.tally.done() < watched.total && performance.now() < deadline && !over()) {
    screen.show(snapshot())
    await sleep(100)
  }
  const last = snapshot()
  const good = conclude(last, model, json)
  out.write(
    `metrics: ${whole.url}/metrics${keep ? ' (Ctrl-C ends)' : ' while the demo runs; `npm run demo -- --keep` stays'}\n`,
  )
  if (keep && !over()) await sleep(2 ** 31 - 1, undefined, { signal: stop.signal }).catch(() => {})
  return stop.signal.aborted && !good ? 130 : good ? 0 : 1
}

async function watchOutcomes({ config, topics }: Deployment, events: readonly DemoEvent[]) {
  const truth = new Map(events.flatMap((event) => [...event.truth]))
  const tally = createTally(truth)
  const spent = { tokens: 0, cost_usd: 0 }
  const codec = await createCodec({ ...config.registry, ...config.limits }, formatsOf(topics))
  const name = (alias: string): string => topics.get(alias)!.name
  const [results, labels] = [name('results'), name('labels')]
  const read = [results, labels, name('fallback'), name('reviews'), name('dead-letters')]
  const client = createKafkaClient(kafkaSettings(config))
  const reader = await readFromStart(client, `${config.kafka.group_prefix}.watch`, read, async (topic, record) => {
    const [decoded] = topic === results || topic === labels ? await codec.decode(topic, [record.value]) : []
    const value = (decoded?.ok ? decoded.value : {}) as Partial<ResultValue & LabelValue>
    if (topic === labels) {
      spent.tokens += (value.inputTokens ?? 0) + (value.outputTokens ?? 0)
      spent.cost_usd += value.costUsd ?? 0
      return
    }
    const latency_ms = record.timestamp_ms - (value.source?.timestamp ?? record.timestamp_ms)
    tally.see({ headers: record.headers, entity: value.entity ?? '', label: value.label?.join(' > '), latency_ms })
  })
  return { tally, spent, total: truth.size, close: () => reader.close() }
}

interface ResultValue {
  readonly entity: string
  readonly label: readonly string[]
  readonly source: { readonly timestamp: number }
}

interface LabelValue {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costUsd: number
}

/** Prints the table; true when every item ended once. */
function conclude(last: Snapshot, model: string, json: boolean): boolean {
  const { tally, total, cost_usd, elapsed_ms } = last
  const lost = total - tally.done()
  const doubled = tally.doubled()
  if (json) {
    const tiers = Object.fromEntries([...tally.tiers].map(([name, { items, right }]) => [name, { items, right }]))
    process.stdout.write(
      `${JSON.stringify({ items: total, lost, doubled, tiers, cost_usd, saved_usd: saved(last), model })}\n`,
    )
    return lost === 0 && doubled === 0
  }
  process.stdout.write(`\n${table(last)}\n\n`)
  const seconds = elapsed_ms / 1000
  process.stdout.write(
    `  ${tally.done()} items in ${seconds.toFixed(0)} s (${(tally.done() / seconds).toFixed(0)}/s as sent); missing ${lost}, doubled ${doubled}\n`,
  )
  process.stdout.write(
    `  the LLM cost ${dollars(cost_usd)} by the price table for ${model}; asking it about every item would have cost ${dollars(cost_usd + saved(last))}\n`,
  )
  return lost === 0 && doubled === 0
}

/** Topics and subjects of the demo's own prefix. Says so where it cannot. */
async function removeTraces({ config, topics }: Deployment): Promise<void> {
  const { url, timeout_ms } = config.registry
  await deleteSubjects(
    url,
    timeout_ms,
    schemasOf(topics).map(({ subject }) => subject),
  )
  const settings = kafkaSettings(config)
  try {
    const admin = await connectAdmin(createKafkaClient(settings), settings)
    await admin.deleteTopics({ topics: [...topics.values()].map(({ name }) => name) }).finally(() => admin.disconnect())
  } catch {
    process.stderr.write(`the demo's topics could not be removed: ${config.kafka.topic_prefix}*\n`)
  }
}

async function rowsOf(file: string): Promise<Row[]> {
  return Array.fromAsync(readRows(file), ({ row }) => row)
}
