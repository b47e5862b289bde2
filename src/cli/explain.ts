// `sluice explain KEY`: the whole way of an item, from the records that it left. Reads only; commits no offset.
import { formatsOf } from '../adapters/config/topics.ts'
import { openSearch } from '../adapters/kafka/search.ts'
import { createCodec } from '../adapters/registry/codec.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { SluiceError } from '../core/error.ts'
import { explain } from '../core/explain.ts'
import type { Deployment } from '../adapters/config/load.ts'
import { kafkaSettings } from './apply.ts'
import { load, numberOf, parse } from './command.ts'
import { timeOf } from './cost.ts'
import { explainPage } from './explain/page.ts'
import { readItemId, soughtBy, trailOf, writeItemId } from './explain/trail.ts'
import type { Sought, TrailDeps } from './explain/trail.ts'

const HELP = `usage: sluice explain KEY [--task NAME] [--last N] [--since WHEN] [--config FILE] [--json]

Shows what became of an item: its record, every tier that was asked and how long that took, the gate level by level, the
LLM's answer with its prompt and cost, reviews and dead letters, and what superseded it.
KEY is an item id (topic/partition/offset/index, as the header sluice-item has it), the name of a product or pair as its
results are keyed, or the key of an input record. Of a key the newest item is shown.
  --task    of this task only
  --last    so many of the key's items, newest first (default 1)
  --since   look no further back: a date or time, or so long ago (30m, 24h, 7d); default: 7d. Of an item id whose record
            is still there nothing older than the record is read in any case.
Records of a key are looked for where Kafka's default partitioner puts them. Where your producers use another one, give
the item id. Times are those of the whole batch that the item was in.
`

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(
    args,
    { task: { type: 'string' }, last: { type: 'string', default: '1' }, since: { type: 'string', default: '7d' } },
    1,
  )
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const key = positionals[0]
  if (key === undefined || key === '') throw new SluiceError('SL104', 'which item? `sluice explain KEY`')
  const last = numberOf('last', values.last, { whole: true, from: 1, to: 100 })
  const since_ms = timeOf('since', values.since, Date.now())!
  const deployment = await load(values.config)
  const names = deployment.tasks.map(({ task }) => task.name)
  if (values.task !== undefined && !names.includes(values.task))
    throw new SluiceError('SL104', `no task "${values.task}" in ${values.config}; there is ${names.join(', ')}`)
  const view = progressView(values.json)
  const opened = await open(deployment, values.task, since_ms, (what, done, total) =>
    view.update(what, done, total, `${total} records`),
  )
  try {
    const id = readItemId(key)
    const isId = id !== undefined && opened.inputs.has(id.topic)
    const sought = isId ? [{ id }] : (await soughtBy(opened.deps, key)).slice(0, last)
    const shown = []
    for (const it of sought) shown.push(await one(opened.deps, it, values.task))
    view.stop()
    const found = shown.flatMap(({ explanations }) => explanations)
    if (found.length === 0) throw new SluiceError('SL507', nothing(key, isId, values.since, sought))
    if (values.json) process.stdout.write(`${JSON.stringify({ key, items: found })}\n`)
    else process.stdout.write(shown.flatMap(({ pages }) => pages).join('\n'))
    return 0
  } finally {
    view.stop()
    await opened.deps.search.close()
  }
}

/** Throws SL201, SL301 for what is not there. */
async function open(
  { config, topics, tasks }: Deployment,
  only: string | undefined,
  since_ms: number,
  onProgress: TrailDeps['onProgress'],
) {
  const formats = formatsOf(topics).map(({ topic, format }) => ({ topic, format }))
  const codec = await createCodec({ ...config.registry, ...config.limits }, formats)
  const search = await openSearch(kafkaSettings(config))
  const chosen = tasks.map(({ task }) => task).filter(({ name }) => only === undefined || name === only)
  const inputs = new Set([...chosen.map(({ topic }) => topics.get(topic)!.name), topics.get('fallback')!.name])
  return { inputs, deps: { search, codec, topics, tasks: chosen, limits: config.limits, since_ms, onProgress } }
}

async function one(deps: TrailDeps, sought: Sought, only: string | undefined) {
  const trail = await trailOf(deps, sought)
  const explanations = explain(writeItemId(sought.id), trail.evidence).filter(
    ({ task }) => only === undefined || task === only,
  )
  const { input } = trail
  return {
    explanations: explanations.map((it) => ({
      ...it,
      input: input ? { timestamp_ms: input.timestamp_ms, segments: segmentsOf(deps, trail.items, it.task) } : null,
    })),
    pages: explanations.map((it) =>
      explainPage(
        it,
        trail,
        deps.tasks.find(({ name }) => name === it.task),
      ),
    ),
  }
}

function segmentsOf({ tasks }: TrailDeps, items: Awaited<ReturnType<typeof trailOf>>['items'], task: string) {
  const names = tasks.find(({ name }) => name === task)?.segments.map(({ name }) => name) ?? []
  const own = items.find((it) => it.task === task)
  return own ? Object.fromEntries(own.segments.map((text, at) => [names[at] ?? String(at), text])) : null
}

function nothing(key: string, isId: boolean, since: string, sought: readonly Sought[]): string {
  if (isId) return `nothing was written of ${key} yet, and nothing is kept that is older`
  const [first] = sought
  if (first) return `${key}: its record ${writeItemId(first.id)} is there, and nothing was written of it yet`
  return `no record, result, review or dead letter of "${key}" since ${since}`
}
