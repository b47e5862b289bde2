// `sluice cost` on a terminal: a table with bars, and both sums side by side. Formats only.
import type { CostBy, CostReport, CostRow } from '../../core/llm/cost.ts'

const BAR = 30
const HEAD = ['items', 'calls', 'input tokens', 'cached', 'output tokens', 'cost', 'without Sluice']

export function costPage(
  by: CostBy,
  { rows, total }: CostReport,
  { since_ms, until_ms }: { readonly since_ms: number; readonly until_ms: number },
): string {
  const from = since_ms === 0 ? 'from the beginning' : `from ${time(since_ms)}`
  const title = `What the LLM cost by ${by}, ${from} to ${time(until_ms)} (UTC)`
  if (total.calls === 0 && total.items === 0) return `${title}\n\n  nothing: no call and no item in this time\n`
  const lines = [[by, ...HEAD], ...[...rows, total].map(cells)]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const most = Math.max(...rows.map(({ usd }) => usd))
  const text = lines.map((line, at) => {
    const padded = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
    )
    const row = rows[at - 1]
    return `  ${padded.join('  ')}${row === undefined ? '' : `  ${bar(row.usd, most)}`}`.trimEnd()
  })
  return `${[title, '', ...text, '', ...compared(total)].join('\n')}\n`
}

function cells({
  name,
  items,
  calls,
  inputTokens,
  cachedInputTokens,
  outputTokens,
  usd,
  withoutUsd,
}: CostRow): string[] {
  const cached = inputTokens === 0 ? '–' : `${((100 * cachedInputTokens) / inputTokens).toFixed(0)} %`
  const counts = [whole(items), whole(calls), whole(inputTokens), cached, whole(outputTokens)]
  return [name, ...counts, dollars(usd), withoutUsd === undefined ? '–' : dollars(withoutUsd)]
}

function compared({ calls, usd, withoutUsd, items, unknown }: CostRow): string[] {
  const open =
    unknown === 0
      ? []
      : [
          `  ${whole(unknown)} of the calls have not returned (cut off, or still out): they stand at the most that they can have cost.`,
        ]
  if (calls > 0 && usd === 0 && !withoutUsd)
    return [...open, '  The calls stand at 0: llm.prices did not name the models that were asked.']
  if (withoutUsd === undefined || withoutUsd === 0)
    return [...open, '  No item of some task was asked yet: there is nothing to compare with.']
  const most = Math.max(usd, withoutUsd)
  const width = Math.max(dollars(usd).length, dollars(withoutUsd).length)
  return [
    `  with Sluice     ${dollars(usd).padStart(width)}  ${bar(usd, most)}`,
    `  without Sluice  ${dollars(withoutUsd).padStart(width)}  ${bar(withoutUsd, most)}`,
    '',
    ...open,
    `  Without: each of ${whole(items)} items asked alone, with the prompts used here, at the mean of those of its task that were asked.`,
  ]
}

/** Eighths of a block: what is small still shows. */
function bar(part: number, most: number): string {
  const eighths = most === 0 ? 0 : Math.max(part > 0 ? 1 : 0, Math.round((8 * BAR * part) / most))
  return '█'.repeat(Math.floor(eighths / 8)) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]!
}

const time = (at_ms: number) => new Date(at_ms).toISOString().slice(0, 16).replace('T', ' ')
const whole = (count: number) => count.toLocaleString('en-US')
const dollars = (usd: number) => `$${usd.toFixed(usd >= 100 ? 2 : 4)}`
