// Two pictures of a benchmark as SVG: accuracy against cost, and latency. Self-contained, and legible on a light and on a
// dark page: the ink follows the reader's colour scheme, the colours are of middle lightness. Decides nothing.
import { milliseconds, money } from './markdown.ts'
import type { Score, Table } from '../../core/benchmark/score.ts'

const COLOURS = [
  '#3b82c4',
  '#d9822b',
  '#3a9d5d',
  '#c8508f',
  '#8a6fd1',
  '#b0892a',
  '#2fa3a3',
  '#cf5c4e',
  '#6b8e23',
  '#b5651d',
  '#4f6bd8',
  '#9a7b9a',
] as const
const STYLE =
  '<style>text{font:13px system-ui,sans-serif;fill:#333}.small{font-size:11px;fill:#666}.title{font-size:16px;font-weight:600}' +
  '.axis{stroke:#999;stroke-width:1}.grid{stroke:#999;stroke-opacity:.25;stroke-width:1}' +
  '@media(prefers-color-scheme:dark){text{fill:#ddd}.small{fill:#aaa}}</style>'

const WIDTH = 780
/** Room for the names at the right. */
const PLOT = { left: 64, right: 600, top: 64, bottom: 400 }

interface Point {
  readonly name: string
  readonly colour: string
  readonly x: number
  readonly splits: readonly { readonly y: number; readonly low: number; readonly high: number }[]
}

/** Accuracy with its interval against dollars per 1,000 items on a logarithmic axis; what costs nothing stands at its left. */
export function accuracyPlot({ scores, splits }: Table, task: string): string {
  const shown = scores.filter(({ splits, costPer1000 }) => costPer1000 !== undefined && splits.some(hasAsked))
  const costs = shown.flatMap(({ costPer1000 }) => (costPer1000 && costPer1000 > 0 ? [costPer1000] : []))
  const free = shown.some(({ costPer1000 }) => costPer1000 === 0)
  const axis = logAxis(costs, free ? PLOT.left + 90 : PLOT.left + 20, PLOT.right - 20)
  const asked = shown.flatMap(({ splits }) => splits.filter(hasAsked).map(({ accuracy }) => accuracy.at(-1)!))
  const lowest = Math.max(0, Math.floor(Math.min(1, ...asked.map(({ low }) => low)) * 10) / 10)
  const y = (share: number) => PLOT.bottom - ((share - lowest) / (1 - lowest || 1)) * (PLOT.bottom - PLOT.top)
  const points = shown.map((one): Point => {
    const spread = shown.filter(({ costPer1000 }) => costPer1000 === one.costPer1000)
    const shift = (spread.indexOf(one) - (spread.length - 1) / 2) * 22
    return {
      name: one.name,
      colour: COLOURS[scores.indexOf(one) % COLOURS.length]!,
      x: (one.costPer1000! > 0 ? axis.at(one.costPer1000!) : PLOT.left + 42) + shift,
      splits: one.splits.map(({ accuracy, asked }) => {
        const { share, low, high } = accuracy.at(-1) ?? { share: NaN, low: NaN, high: NaN }
        return asked === 0 ? { y: NaN, low: NaN, high: NaN } : { y: y(share), low: y(low), high: y(high) }
      }),
    }
  })
  const rows = ticks(lowest).map(
    (share) =>
      `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${y(share)}" y2="${y(share)}"/>` +
      `<text class="small" x="${PLOT.left - 8}" y="${y(share) + 4}" text-anchor="end">${Math.round(100 * share)} %</text>`,
  )
  const columns = axis.ticks.map(
    ({ value, x }) =>
      `<line class="grid" x1="${x}" x2="${x}" y1="${PLOT.top}" y2="${PLOT.bottom}"/>` +
      `<text class="small" x="${x}" y="${PLOT.bottom + 18}" text-anchor="middle">${money(value)}</text>`,
  )
  const zero = free
    ? `<text class="small" x="${PLOT.left + 42}" y="${PLOT.bottom + 18}" text-anchor="middle">$0</text>` +
      `<line class="axis" stroke-dasharray="3 3" x1="${PLOT.left + 80}" x2="${PLOT.left + 80}" y1="${PLOT.top}" y2="${PLOT.bottom}"/>`
    : ''
  const legend = splits.map(
    ({ name }, at) =>
      `${mark(PLOT.left + 6 + at * 170, 48, '#888', at)}<text class="small" x="${PLOT.left + 16 + at * 170}" y="52">${name}</text>`,
  )
  return picture(460, [
    `<text class="title" x="${PLOT.left}" y="26">${escaped(`Accuracy and cost: ${task}`)}</text>`,
    ...legend,
    ...rows,
    ...columns,
    zero,
    `<path class="axis" fill="none" d="M${PLOT.left} ${PLOT.top}V${PLOT.bottom}H${PLOT.right}"/>`,
    `<text class="small" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 42}" text-anchor="middle">US dollars per 1,000 items; bars are 95 % intervals</text>`,
    ...points.map(drawPoint),
    ...names(points),
  ])
}

const hasAsked = ({ asked }: { readonly asked: number }) => asked > 0

function drawPoint({ x, colour, splits }: Point): string {
  return splits
    .map(({ y, low, high }, at) => {
      if (Number.isNaN(y)) return ''
      const here = x + (at === 0 ? -4 : 4)
      const bar = `<path fill="none" stroke="${colour}" stroke-width="1.5" d="M${here - 3} ${low}h6m-3 0V${high}m-3 0h6"/>`
      return bar + mark(here, y, colour, at)
    })
    .join('')
}

/** Filled for the first split, a hollow square for the second. */
function mark(x: number, y: number, colour: string, split: number): string {
  if (split === 0) return `<circle cx="${x}" cy="${y}" r="5" fill="${colour}"/>`
  return `<rect x="${x - 4.5}" y="${y - 4.5}" width="9" height="9" fill="none" stroke="${colour}" stroke-width="2"/>`
}

/** A column of names at the right, in the order of their points from the top, each in its colour. */
function names(points: readonly Point[]): string[] {
  const top = (point: Point) => point.splits.find(({ y }) => !Number.isNaN(y))?.y ?? 0
  let free = PLOT.top
  return points
    .toSorted((a, b) => top(a) - top(b))
    .map(({ name, colour }) => {
      const y = free + 8
      free = y + 14
      return `<rect x="${PLOT.right + 14}" y="${y - 6}" width="10" height="10" rx="2" fill="${colour}"/><text x="${PLOT.right + 30}" y="${y + 4}">${escaped(short(name, 19))}</text>`
    })
}

/** Milliseconds at the median, the 95th and the 99th percentile, on a logarithmic axis. */
export function latencyPlot({ scores }: Table, task: string): string {
  const shown = scores.filter(({ latency_ms }) => latency_ms.p50 !== undefined)
  const values = shown.flatMap(({ latency_ms: { p50, p99 } }) => [p50!, p99!])
  const left = 190
  const axis = logAxis(values, left, 640)
  const height = 104 + shown.length * 34 + 30
  const bottom = 74 + shown.length * 34
  const columns = axis.ticks.map(
    ({ value, x }) =>
      `<line class="grid" x1="${x}" x2="${x}" y1="64" y2="${bottom}"/><text class="small" x="${x}" y="${bottom + 18}" text-anchor="middle">${tickName(value)}</text>`,
  )
  const bars = shown.map((one, row) => {
    const y = 74 + row * 34
    const colour = COLOURS[scores.indexOf(one) % COLOURS.length]!
    const { p50, p95, p99 } = one.latency_ms
    const bar = (ms: number, opacity: number) =>
      `<rect x="${left}" y="${y}" width="${Math.max(1, axis.at(ms) - left)}" height="18" rx="2" fill="${colour}" fill-opacity="${opacity}"/>`
    const figures = [p50, p95, p99].map((ms) => milliseconds(ms!)).join(' / ')
    return (
      `<text x="${left - 10}" y="${y + 14}" text-anchor="end">${escaped(short(one.name, 24))}</text>` +
      bar(p99!, 0.25) +
      bar(p95!, 0.45) +
      bar(p50!, 1) +
      `<text class="small" x="${axis.at(p99!) + 6}" y="${y + 13}">${figures}${timedAs(one)}</text>`
    )
  })
  return picture(height, [
    `<text class="title" x="20" y="26">${escaped(`Latency: ${task}`)}</text>`,
    '<text class="small" x="20" y="46">milliseconds, p50 / p95 / p99 (full, lighter, lightest)</text>',
    ...columns,
    ...bars,
    `<path class="axis" fill="none" d="M${left} 64V${bottom}H640"/>`,
  ])
}

function timedAs({ kind, batch }: Score): string {
  return kind === 'llm' && batch > 1 ? ` a call of ${batch}` : ''
}

interface Axis {
  at(value: number): number
  readonly ticks: readonly { readonly value: number; readonly x: number }[]
}

/** Whole powers of ten around the values, every one a tick. */
function logAxis(values: readonly number[], from: number, to: number): Axis {
  const logs = values.filter((value) => value > 0).map(Math.log10)
  const low = logs.length === 0 ? -1 : Math.floor(Math.min(...logs))
  const high = Math.max(low + 1, logs.length === 0 ? 0 : Math.ceil(Math.max(...logs)))
  const at = (value: number) => from + ((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)) * (to - from)
  const ticks = Array.from({ length: high - low + 1 }, (_, step) => ({
    value: 10 ** (low + step),
    x: at(10 ** (low + step)),
  }))
  return { at, ticks: logs.length === 0 ? [] : ticks }
}

function ticks(lowest: number): number[] {
  return Array.from({ length: Math.round((1 - lowest) * 10) + 1 }, (_, step) => lowest + step / 10)
}

function tickName(ms: number): string {
  return ms >= 1000 ? `${ms / 1000} s` : `${Number(ms.toPrecision(1))} ms`
}

function short(name: string, length: number): string {
  return name.length > length ? `…${name.slice(1 - length)}` : name
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function picture(height: number, parts: readonly string[]): string {
  const body = parts.filter((part) => part !== '').join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">\n${STYLE}\n${body}\n</svg>\n`
}
