// What cleaning did and why, for people and for programs: a record a change, counts, and Markdown of the counts.
import { pathKey } from '../../core/labels.ts'
import type { Decision } from '../../core/cleaning/decide.ts'
import type { LabelPath } from '../../core/labels.ts'
import type { Cleaning } from './clean.ts'
import type { CleanRows } from './rows.ts'

/** One changed row: a line of changes.jsonl. */
export interface ChangeRecord {
  /** `file:line`. */
  readonly row: string
  readonly source: string
  readonly action: 'replace' | 'drop'
  readonly reason: string
  /** First level that differs: 1 is l1. */
  readonly level: number
  /** Between the old and the new name there, how sure the model is of the new one. */
  readonly sureness: number
  readonly old: LabelPath
  /** The new label; of a dropped row the best guess. */
  readonly new: LabelPath
  /** Probability, per level, of the old label and of the new one, as the labels have it: not corrected for noise. */
  readonly oldProbabilities: readonly number[]
  readonly newProbabilities: readonly number[]
  /** As read, normalised, by segment. */
  readonly texts: Readonly<Record<string, string>>
}

/** A text that stands with several labels in the data: a line of two-labels.jsonl. */
export interface TwoLabels {
  readonly texts: Readonly<Record<string, string>>
  readonly rows: readonly { readonly row: string; readonly label: LabelPath }[]
}

export interface Counts {
  readonly rows: number
  readonly replaced: number
  readonly dropped: number
  /** How many rows each reason, kept or changed, stands for. */
  readonly reasons: Readonly<Record<string, number>>
  /** Changes by the first level that differs: l1, l2, … */
  readonly levels: Readonly<Record<string, number>>
  readonly sources: Readonly<Record<string, { readonly rows: number; readonly changed: number }>>
  /** Old and new label of the changes, the commonest first, PAIRS_MAX at most. */
  readonly pairs: readonly {
    readonly old: string
    readonly new: string
    readonly action: string
    readonly rows: number
  }[]
  readonly twoLabels: number
  /** Per level, l1 first: share of the labels that are probably wrong, before cleaning. */
  readonly estimatedNoise: readonly number[]
}

const PAIRS_MAX = 30

/** In the order of the files. */
export function changesOf(data: CleanRows, cleaning: Cleaning): ChangeRecord[] {
  const { evidence, tree, decisions } = cleaning
  const { paths } = data.labels
  const at = (values: Float32Array, row: number) =>
    Array.from(values.subarray(row * tree.levels, (row + 1) * tree.levels), rounded)
  const changes = decisions.flatMap((decision, row): ChangeRecord[] => {
    if (decision.action === 'keep') return []
    const { action, reason, level, sureness } = decision
    return [
      {
        row: data.facts.keys[row]!,
        source: data.facts.sources[row]!,
        action,
        reason,
        level: level + 1,
        sureness: rounded(sureness),
        old: paths[evidence.given[row]!]!,
        new: paths[evidence.best[row]!]!,
        oldProbabilities: at(evidence.givenLevels, row),
        newProbabilities: at(evidence.bestLevels, row),
        texts: textsOf(data, row),
      },
    ]
  })
  return changes.sort((a, b) => (inOrder(a.row) < inOrder(b.row) ? -1 : 1))
}

export function twoLabelsOf(data: CleanRows): TwoLabels[] {
  const rows = Array.from(data.examples.keys()).filter((row) => data.facts.twoLabels[row] === 1)
  const groups = Map.groupBy(rows, (row) => data.examples[row]!.texts.join('\u001f'))
  return Array.from(groups.values(), (group) => ({
    texts: textsOf(data, group[0]!),
    rows: group.map((row) => ({ row: data.facts.keys[row]!, label: data.examples[row]!.label })),
  }))
}

export function countsOf(data: CleanRows, cleaning: Cleaning): Counts {
  const { decisions, tree, evidence, estimatedNoise } = cleaning
  const sources = new Map<string, { rows: number; changed: number }>()
  const reasons = new Map<string, number>()
  const levels = new Map(tree.nodes.map((_, level) => [`l${level + 1}`, 0]))
  const pairs = new Map<string, Counts['pairs'][number]>()
  decisions.forEach((decision, row) => {
    add(reasons, decision.reason)
    const source = sources.get(data.facts.sources[row]!) ?? { rows: 0, changed: 0 }
    sources.set(data.facts.sources[row]!, source)
    source.rows++
    if (decision.action === 'keep') return
    source.changed++
    add(levels, `l${decision.level + 1}`)
    const [from, to] = [evidence.given[row]!, evidence.best[row]!].map((path) => pathKey(data.labels.paths[path]!))
    const key = JSON.stringify([decision.action, from, to])
    pairs.set(key, { old: from!, new: to!, action: decision.action, rows: (pairs.get(key)?.rows ?? 0) + 1 })
  })
  const of = (action: Decision['action']) => decisions.filter((decision) => decision.action === action).length
  return {
    rows: decisions.length,
    replaced: of('replace'),
    dropped: of('drop'),
    reasons: sorted(reasons),
    levels: Object.fromEntries(levels),
    sources: Object.fromEntries([...sources].sort(([a], [b]) => (a < b ? -1 : 1))),
    pairs: [...pairs.values()]
      .sort((a, b) => b.rows - a.rows || (a.old + a.new < b.old + b.new ? -1 : 1))
      .slice(0, PAIRS_MAX),
    twoLabels: data.facts.twoLabels.reduce((sum, one) => sum + one, 0),
    estimatedNoise: estimatedNoise.map(rounded),
  }
}

/** The counts as Markdown; no product text. */
export function countsMarkdown(counts: Counts, command: string): string {
  const { rows, replaced, dropped, reasons, levels, sources, pairs, twoLabels, estimatedNoise } = counts
  const share = (part: number, whole = rows) => `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`
  return [
    '# What cleaning did',
    `\`${command}\`\n`,
    `Of ${rows} rows ${replaced} labels were replaced (${share(replaced)}) and ${dropped} rows dropped (${share(dropped)}).`,
    `Estimated share of wrong labels before: ${estimatedNoise.map((noise, level) => `l${level + 1} ${share(noise, 1)}`).join(', ')}.`,
    `${twoLabels} rows carry a text that has another label elsewhere in the data: kept, listed in two-labels.jsonl.\n`,
    table(['what happened and why', 'rows'], Object.entries(reasons)),
    table(['first level that differs', 'changes'], Object.entries(levels)),
    table(
      ['source', 'rows', 'changed', ''],
      Object.entries(sources).map(([name, of]) => [name, of.rows, of.changed, share(of.changed, of.rows)]),
    ),
    table(
      [`old label (the ${pairs.length} commonest pairs)`, 'new label, or best guess', '', 'rows'],
      pairs.map((pair) => [pair.old, pair.new, pair.action, pair.rows]),
    ),
  ].join('\n')
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) =>
    `| ${cells.map((cell) => String(cell).replaceAll('<', '&lt;').replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return `${[line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')}\n`
}

function textsOf(data: CleanRows, row: number): Record<string, string> {
  return Object.fromEntries(data.segments.map((name, at) => [name, data.examples[row]!.texts[at] ?? '']))
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)))
}

/** `file:line`, so that line 10 stands after line 9. */
function inOrder(key: string): string {
  return key.replace(/\d+$/, (line) => line.padStart(12, '0'))
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000
}
