// `sluice cost`: what the LLM has cost, from the ledger, and what the same stream would have cost without Sluice.
// Reads only; never commits an offset.
import { connectAdmin, createKafkaClient } from '../adapters/kafka/client.ts'
import { createOffsets } from '../adapters/kafka/offsets.ts'
import { readToEnd } from '../adapters/kafka/reader.ts'
import { createCodec } from '../adapters/registry/codec.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { SluiceError } from '../core/error.ts'
import { COST_BY, costReport, dayOf } from '../core/llm/cost.ts'
import { readCalls } from '../roles/ledger.ts'
import { kafkaSettings } from './apply.ts'
import { load, parse } from './command.ts'
import { costPage } from './cost/page.ts'
import type { Deployment } from '../adapters/config/load.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { EndedItems } from '../core/llm/cost.ts'
import type { CallRecord } from '../core/llm/ledger.ts'

const HELP = `usage: sluice cost [--by ${COST_BY.join('|')}] [--since WHEN] [--until WHEN] [--config FILE] [--json]

What calls to the LLM have cost, by the ledger (topic calls), beside the items that ended (results, reviews).
  --by      task (default), tier, model or day (UTC)
  --since   a date or time (2026-11-22, 2026-11-22T08:00:00Z) or so long ago (30m, 24h, 7d); default: all that is kept
  --until   the same; default: now
A call of which nobody knows what it cost (cut off by a crash or a time-out) stands at the most that it can have cost.
"Without Sluice" is every item asked alone, each time, with the prompts that were used here, at the mean cost of the items
of its task that were asked. A prompt with the whole label set in it would cost more than that.
`

export interface Period {
  readonly since_ms: number
  readonly until_ms: number
}

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, {
    by: { type: 'string', default: 'task' },
    since: { type: 'string' },
    until: { type: 'string' },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const by = COST_BY.find((name) => name === values.by)
  if (by === undefined) throw new SluiceError('SL104', `--by ${values.by}: one of ${COST_BY.join(', ')}`)
  const now = Date.now()
  const period = {
    since_ms: timeOf('since', values.since, now) ?? 0,
    until_ms: timeOf('until', values.until, now) ?? now,
  }
  if (period.since_ms >= period.until_ms) throw new SluiceError('SL104', '--since is not before --until')
  const { calls, ended } = await read(await load(values.config), period, progressView(values.json))
  const report = costReport(by, calls, ended)
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ by, since: iso(period.since_ms), until: iso(period.until_ms), ...report })}\n`
      : costPage(by, report, period),
  )
  return 0
}

const iso = (at_ms: number) => new Date(at_ms).toISOString()
const AGO_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A date is midnight UTC; a time that names no zone is UTC too. */
export function timeOf(option: string, text: string | undefined, now_ms: number): number | undefined {
  if (text === undefined) return undefined
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (count !== undefined) return Math.max(0, now_ms - Number(count) * AGO_MS[unit!]!)
  const zone = /[T ]\S*(?:Z|[+-]\d\d:?\d\d)$|^[\d-]+$/.test(text) ? '' : 'Z'
  const at_ms = /^\d{4}-\d\d-\d\d([T ]\S+)?$/.test(text) ? Date.parse(`${text}${zone}`) : NaN
  if (!Number.isFinite(at_ms))
    throw new SluiceError('SL104', `--${option} ${text}: not a date, a time, or so long ago (7d)`)
  return at_ms
}

/** Throws SL201, SL202 and SL301 for what is not there. */
async function read(
  { config, topics }: Deployment,
  { since_ms, until_ms }: Period,
  view: ProgressView,
): Promise<{ calls: CallRecord[]; ended: EndedItems[] }> {
  const settings = kafkaSettings(config)
  const client = createKafkaClient(settings)
  const [ledger, results, reviews] = ['calls', 'results', 'reviews'].map((alias) => topics.get(alias)!)
  const admin = await connectAdmin(client, settings)
  await createOffsets(admin)
    .assertExist([ledger!.name, results!.name, reviews!.name])
    .finally(() => admin.disconnect())
  const { name, format } = ledger!
  const codec = await createCodec(
    { ...config.registry, ...config.limits },
    format === 'raw' ? [] : [{ topic: name, format }],
  )
  const showing = (title: string) => (done: number, total: number) => view.update(title, done, total, '')
  try {
    const calls = await readCalls(client, name, codec, since_ms, showing('reading the ledger'))
    const ended = new Map<string, EndedItems>()
    for (const topic of [results!, reviews!])
      await readToEnd(client, topic.name, {
        since_ms,
        uncommitted: false,
        onProgress: showing(`reading ${topic.alias}`),
        onRecord: ({ headers, timestamp_ms }) => {
          const outcome = String(headers['sluice-outcome'])
          if (timestamp_ms < since_ms || timestamp_ms >= until_ms || !ENDS.includes(outcome)) return
          const tier = outcome === 'review' ? 'review' : String(headers['sluice-tier'])
          const key = { task: String(headers['sluice-task']), tier, day: dayOf(timestamp_ms) }
          const name = JSON.stringify(key)
          ended.set(name, { ...key, items: (ended.get(name)?.items ?? 0) + 1 })
        },
      })
    return { calls: calls.filter(({ at_ms }) => at_ms < until_ms), ended: [...ended.values()] }
  } finally {
    view.stop()
  }
}

/** Outcomes after which nothing comes. */
const ENDS = ['result', 'review']
