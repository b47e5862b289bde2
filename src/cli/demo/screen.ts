// What the demo shows: a live picture on a terminal, a plain line every few seconds elsewhere, one table at the end.
import { median } from './tally.ts'
import type { Tier } from '../../core/item.ts'
import type { Tally } from './tally.ts'

export interface Snapshot {
  readonly tally: Tally
  /** Items that the stream holds in all. */
  readonly total: number
  readonly sent: number
  readonly elapsed_ms: number
  readonly tokens: number
  readonly cost_usd: number
}

/** Of every end that an item can have in the stream, in the order of the way there. */
const NAMED: Readonly<Record<Exclude<Tier, 'human'> | 'review' | 'dead-letter', string>> = {
  exact: 'exact cache',
  local: 'local model',
  similar: 'similar text',
  llm: 'LLM',
  review: 'review',
  'dead-letter': 'dead letter',
}
const NAMES = Object.entries(NAMED)
const BAR = 30
const EVERY_MS = 3000

export function createScreen(out: NodeJS.WriteStream) {
  const live = out.isTTY === true
  let lines = 0
  let last = 0
  return {
    show(snapshot: Snapshot): void {
      if (!live) {
        if (snapshot.elapsed_ms - last < EVERY_MS) return
        last = snapshot.elapsed_ms
        out.write(`${plain(snapshot)}\n`)
        return
      }
      const picture = paint(snapshot)
      out.write(`${lines > 0 ? `\u001b[${lines}A\u001b[J` : ''}${picture.join('\n')}\n`)
      lines = picture.length
    },
  }
}

function plain({ tally, total, elapsed_ms, cost_usd }: Snapshot): string {
  const shares = NAMES.flatMap(([key, name]) => {
    const items = tally.tiers.get(key)?.items ?? 0
    return items > 0 ? [`${name} ${percent(items, tally.done())}`] : []
  })
  const seconds = (elapsed_ms / 1000).toFixed(0).padStart(3)
  return `${seconds} s  ${tally.done()}/${total} items  ${shares.join(', ')}  waiting for the LLM ${tally.waiting()}  LLM ${dollars(cost_usd)}`
}

function paint(snapshot: Snapshot): string[] {
  const { tally, total, sent, elapsed_ms, tokens, cost_usd } = snapshot
  const rows = NAMES.map(([key, name]) => {
    const items = tally.tiers.get(key)?.items ?? 0
    return `  ${name.padEnd(12)} ${bar(items, tally.done())} ${String(items).padStart(5)}  ${percent(items, tally.done())}`
  })
  const rate = tally.done() / Math.max(elapsed_ms / 1000, 0.001)
  return [
    `  ${bar(tally.done(), total)} ${tally.done()} of ${total} items, ${sent} sent, ${rate.toFixed(0)} items/s`,
    ...rows,
    `  waiting in the fallback topic: ${tally.waiting()}   LLM tokens: ${tokens}   LLM cost: ${dollars(cost_usd)}   saved: ${dollars(saved(snapshot))}`,
  ]
}

/** What the items that the LLM did not see would have cost at the price of those that it did. */
export function saved({ tally, cost_usd }: Snapshot): number {
  const asked = tally.tiers.get('llm')?.items ?? 0
  return asked === 0 ? 0 : (cost_usd / asked) * (tally.done() - asked)
}

/** The closing table; `truth` says how often each tier said what the example's author said. */
export function table(snapshot: Snapshot): string {
  const { tally } = snapshot
  const head = ['answered by', 'items', 'share', 'as the author', 'median time']
  const rows = NAMES.flatMap(([key, name]) => {
    const tier = tally.tiers.get(key)
    if (!tier) return []
    const right = key === 'review' || key === 'dead-letter' ? '–' : percent(tier.right, tier.items)
    return [
      [
        name,
        String(tier.items),
        percent(tier.items, tally.done()),
        right,
        `${median(tier.latencies_ms).toFixed(0)} ms`,
      ],
    ]
  })
  const all = [...tally.tiers.values()]
  const sum = (pick: (tier: (typeof all)[number]) => number): number =>
    all.reduce((total, tier) => total + pick(tier), 0)
  const items = sum((tier) => tier.items)
  rows.push([
    'all',
    String(items),
    '100 %',
    percent(
      sum((tier) => tier.right),
      items,
    ),
    '',
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('   ')}`
  const rule = `  ${widths.map((width) => '─'.repeat(width)).join('───')}`
  const closing = [...tally.tasks].map(([task, counts]) => `  ${task}: ${sharesOf(counts)}`)
  return [line(head), rule, ...rows.slice(0, -1).map(line), rule, line(rows.at(-1)!), '', ...closing].join('\n')
}

function sharesOf(counts: ReadonlyMap<string, number>): string {
  const items = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const shares = NAMES.filter(([key]) => counts.has(key)).map(
    ([key, name]) => `${name} ${percent(counts.get(key)!, items)}`,
  )
  return `${items} items: ${shares.join(', ')}`
}

export function dollars(value: number): string {
  return `$${value.toFixed(4)}`
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`
}

function bar(part: number, whole: number): string {
  const filled = whole === 0 ? 0 : Math.round((BAR * part) / whole)
  return '█'.repeat(filled) + '░'.repeat(BAR - filled)
}
