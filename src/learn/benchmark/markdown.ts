// The benchmark as a page for people: tables in Markdown, each figure with what it counts. Decides nothing.
import type { Paired, Score, Share, SplitScore, Table } from '../../core/benchmark/score.ts'

/** One file or more of rows, and what became of them. */
export interface SplitSource {
  readonly name: string
  readonly files: readonly { readonly file: string; readonly sha256: string }[]
  /** Items in the files that could be used, those of equal text counted once. */
  readonly available: number
  /** Rows or elements left out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>
  readonly digest: string
}

/** Everything that a reader needs beside the scores. */
export interface Circumstances {
  readonly task: string
  readonly labels: number
  readonly seed: number
  readonly stratified: boolean
  readonly sources: readonly SplitSource[]
  /** Processor and threads, in words. */
  readonly machine: string
  readonly machineUsdPerHour: number | undefined
  readonly concurrency: Readonly<Record<string, number>>
  readonly budget: { readonly cap: number; readonly spent: number }
  /** What a reader must know before believing a figure. */
  readonly warnings: readonly string[]
  /** ISO date. */
  readonly date: string
  readonly command: string
}

export function benchmarkPage(table: Table, about: Circumstances): string {
  const parts = [
    `# Benchmark: ${escaped(about.task)}`,
    sampleLines(table, about),
    mainTable(table),
    pairedTable(table),
    table.levels > 1 ? levelTable(table) : '',
    ...table.splits.map((_, at) => classTable(table, at)),
    unfinished(table),
    howMeasured(table, about),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function sampleLines({ splits }: Table, { sources, seed, stratified, labels, warnings }: Circumstances): string {
  const draw = stratified ? 'each label by its share, within it by' : 'by'
  const lines = sources.map(({ name, files, available, leftOut, digest }, at) => {
    const out = Object.entries(leftOut).map(([why, count]) => `${count} that ${why}`)
    const without = out.length > 0 ? `; left out: ${out.join(', ')}` : ''
    return `- ${name}: ${splits[at]!.items} of ${available} items of ${files.map(({ file }) => code(file)).join(', ')}${without}; sample \`${digest}\``
  })
  return [
    `One sample for all, ${labels} labels. Items are drawn ${draw} a hash of their text with seed ${seed}:`,
    '',
    ...lines,
    ...warnings.flatMap((warning) => ['', `**Careful:** ${escaped(warning)}`]),
  ].join('\n')
}

function mainTable({ splits, scores }: Table): string {
  const head = [
    'contestant',
    'model',
    ...splits.map(({ name }) => `accuracy, ${name}`),
    ...splits.map(({ name }) => `macro-F1, ${name}`),
    'no valid answer',
    'latency p50 / p95 / p99',
    'tokens an item',
    '$ per 1,000 items',
  ]
  return grid(
    head,
    scores.map((one) => [
      one.name,
      code(one.model),
      ...one.splits.map((split) => accuracyCell(split, split.accuracy.at(-1))),
      ...one.splits.map(({ macroF1, asked }) => (asked === 0 ? '–' : macroF1.toFixed(3))),
      unansweredCell(one.splits),
      latencyCell(one),
      tokensCell(one),
      one.costPer1000 === undefined ? '–' : money(one.costPer1000),
    ]),
  )
}

function accuracyCell({ asked, items }: SplitScore, accuracy: Share | undefined): string {
  if (asked === 0 || accuracy === undefined) return '–'
  const part = asked < items ? ` (${asked} of ${items} asked)` : ''
  return `${percent(accuracy.share)} [${tenth(accuracy.low)}, ${tenth(accuracy.high)}]${part}`
}

function unansweredCell(splits: readonly SplitScore[]): string {
  const asked = splits.reduce((sum, one) => sum + one.asked, 0)
  const none = splits.reduce((sum, one) => sum + one.unanswered, 0)
  if (asked === 0) return '–'
  const why = new Map<string, number>()
  for (const { unansweredBy } of splits)
    for (const [reason, count] of Object.entries(unansweredBy)) why.set(reason, (why.get(reason) ?? 0) + count)
  const reasons = [...why].map(([reason, count]) => `${reason} ${count}`).join(', ')
  return none === 0 ? '0 %' : `${percent(none / asked)} (${reasons})`
}

function latencyCell({ latency_ms: { p50, p95, p99 }, kind, batch }: Score): string {
  if (p50 === undefined) return '–'
  const unit = kind === 'local' || batch === 1 ? '' : ` a call of ${batch}`
  return `${[p50, p95, p99].map((ms) => milliseconds(ms!)).join(' / ')} ms${unit}`
}

function tokensCell({ kind, splits, unreported, tokensPerItem: { input, cachedInput, output } }: Score): string {
  if (splits.every(({ asked }) => asked === 0)) return '–'
  if (unreported > 0) return `not reported for ${unreported} calls`
  if (kind === 'local') return '0'
  const cached = cachedInput > 0 ? ` (${Math.round(cachedInput)} cached)` : ''
  return `${Math.round(input)} in${cached}, ${Math.round(output)} out`
}

function pairedTable({ splits, scores, best }: Table): string {
  if (best === undefined || scores.length < 2) return ''
  const rows = scores.flatMap((one) =>
    one.splits.flatMap(({ paired }, at) => (paired ? [[one.name, splits[at]!.name, ...pairedCells(paired)]] : [])),
  )
  const head = [
    'contestant',
    'split',
    'items',
    'difference',
    'only it right',
    `only ${best} right`,
    'p',
    'is it better?',
  ]
  return [
    `## Against ${escaped(best)}, the best local model`,
    'On the items that both were asked. Difference in accuracy in points with its 95 % interval (Agresti and Min 2005);',
    'p of McNemar’s exact test, adjusted for the number of contestants (Holm); “better” and “worse” need p < .05.',
    '',
    rows.length === 0 ? 'Nothing to compare.' : grid(head, rows),
  ].join('\n')
}

function pairedCells({ items, difference: { share, low, high }, onlyThis, onlyBest, p, verdict }: Paired): string[] {
  const points = (value: number) => `${value > 0 ? '+' : value < 0 ? '−' : ''}${tenth(Math.abs(value))}`
  const chance = p < 0.001 ? '< .001' : p.toFixed(3)
  return [
    String(items),
    `${points(share)} [${points(low)}, ${points(high)}]`,
    String(onlyThis),
    String(onlyBest),
    chance,
    verdict,
  ]
}

function levelTable({ splits, levels, scores }: Table): string {
  const columns = splits.flatMap(({ name }) => Array.from({ length: levels }, (_, at) => `l${at + 1}, ${name}`))
  const rows = scores.map((one) => [
    one.name,
    ...one.splits.flatMap((split) =>
      Array.from({ length: levels }, (_, at) => accuracyCell(split, split.accuracy[at])),
    ),
  ])
  return `## By level\nA deeper level counts only where the whole path down to it is right.\n\n${grid(['contestant', ...columns], rows)}`
}

const CLASSES_SHOWN = 12

/** The largest classes, a row each. */
function classTable({ splits, scores }: Table, at: number): string {
  const asked = scores.filter((one) => one.splits[at]!.asked > 0)
  const support = new Map<string, number>()
  for (const { splits: each } of asked)
    for (const [name, { support: rows }] of Object.entries(each[at]!.perClass))
      support.set(name, Math.max(support.get(name) ?? 0, rows))
  const shown = [...support].sort((a, b) => b[1] - a[1]).slice(0, CLASSES_SHOWN)
  if (shown.length === 0) return ''
  const rows = shown.map(([label, rows]) => [
    label,
    String(rows),
    ...asked.map(({ splits: each }) => {
      const one = each[at]!.perClass[label]
      return one ? [one.precision, one.recall, one.f1].map(tenth).join(' / ') : '–'
    }),
  ])
  const which = shown.length < support.size ? `, the ${shown.length} largest of ${support.size} (the JSON has all)` : ''
  const head = ['class', 'items', ...asked.map(({ name }) => name)]
  return `## By class, ${splits[at]!.name}${which}\nPrecision / recall / F1 in per cent.\n\n${grid(head, rows)}`
}

function unfinished({ scores }: Table): string {
  const lines = scores.flatMap(({ name, failure, splits }) => {
    if (failure === undefined) return []
    const missing = splits.reduce((sum, { items, asked }) => sum + items - asked, 0)
    return [`- ${escaped(name)}: ${missing} items are missing: ${escaped(failure)}`]
  })
  return lines.length === 0 ? '' : ['## Not finished', ...lines].join('\n')
}

function howMeasured({ scores }: Table, about: Circumstances): string {
  const llms = scores.filter(({ kind, latency_ms }) => kind === 'llm' && latency_ms.timed > 0)
  const locals = scores.filter(({ kind }) => kind === 'local')
  const { machineUsdPerHour, budget } = about
  const speeds = locals.flatMap(({ name, itemsPerSecond }) =>
    itemsPerSecond === undefined ? [] : [`${escaped(name)} ${Math.round(itemsPerSecond)}`],
  )
  const lines = [
    'Accuracy: the whole path is right; an invalid answer or none is wrong; items that were not asked are not counted. 95 % intervals: Wilson. Macro-F1: mean over the classes that occur.',
    ...(locals.length > 0
      ? [
          `Local models: one item at a time for latency, after a warm-up, on ${about.machine}. Items a second in large batches on the whole machine: ${speeds.join(', ') || 'not measured'}.`,
          machineUsdPerHour === undefined
            ? 'Cost of local models: no tokens; the machine is not counted.'
            : `Cost of local models: the machine at $${machineUsdPerHour} an hour, always busy at that speed.`,
        ]
      : []),
    ...llms.map(
      ({ name, batch, callsPerItem, latency_ms: { timed } }) =>
        `${escaped(name)}: zero-shot from the rubric, ${batch === 1 ? 'one item' : `${batch} items`} a call${callsPerItem > 1 ? ` (a deep label set: ${callsPerItem.toFixed(1)} calls an item)` : ''}, ${about.concurrency[name]} calls at once, ${timed} calls timed from sending to the whole reply (waits between retries left out); cost from the usage that the provider reported and the prices of the configuration.`,
    ),
    ...(llms.length > 0
      ? [`Spent so far, earlier runs included: ${money(budget.spent)} of ${money(budget.cap)}.`]
      : []),
    `${about.date}, by \`${about.command}\`.`,
  ]
  return `## How it was measured\n${lines.map((line) => `- ${line}`).join('\n')}`
}

/** Names of labels and contestants may hold what Markdown reads as HTML or as the end of a cell. */
function escaped(text: string): string {
  return text.replace(/<(?=[a-z/!?])/gi, '&lt;')
}

function grid(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => escaped(cell).replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

const code = (text: string) => `\`${text.replaceAll('`', '')}\``
const tenth = (share: number) => (100 * share).toFixed(1)
const percent = (share: number) => `${tenth(share)} %`

/** Two significant digits, and never an exponent. */
export function money(usd: number): string {
  if (usd === 0) return '$0'
  return `$${usd >= 10 ? usd.toFixed(2) : usd.toFixed(Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(usd)))))}`
}

export function milliseconds(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)
}
