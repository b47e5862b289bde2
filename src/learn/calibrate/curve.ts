// Reliability curves as an SVG picture: per level, the share that was right against the probability that was said.
// Mid tones on no background, so that it reads on light and on dark pages. Draws what it is given.
import { reliabilityBins } from '../../core/calibration/reliability.ts'
import type { Bin } from '../../core/calibration/reliability.ts'
import type { Scored } from './score.ts'

const SIDE = 280
const GAP = 60
const TOP = 64
const LEFT = 52
const COUNTS = 58
const BINS = 10
/** A point of fewer rows says nothing; its bin is counted all the same. */
const CURVE_ROWS_MIN = 5
const INK = '#767b83'
const BEFORE = '#d0742a'
const AFTER = '#3b82f6'

export interface Curves {
  readonly title: string
  readonly before: Scored
  /** Undefined where nothing was changed. */
  readonly after: Scored | undefined
}

/** One panel a level, l1 first. Bands are 95 % intervals (Clopper–Pearson); the numbers below count the rows of a bin. */
export function reliabilitySvg({ title, before, after }: Curves): string {
  const levels = before.probabilities.length
  const width = LEFT + levels * SIDE + (levels - 1) * GAP + 20
  const height = TOP + SIDE + COUNTS + 24
  const panels = before.probabilities.map((_, level) => {
    const curves = [{ scored: before, colour: BEFORE, name: 'before' }]
    if (after !== undefined) curves.push({ scored: after, colour: AFTER, name: 'after' })
    return panel(level, LEFT + level * (SIDE + GAP), curves)
  })
  const key =
    after === undefined ? [] : [label(width - 150, 22, '● before', BEFORE), label(width - 74, 22, '● after', AFTER)]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${INK}" role="img" aria-label="${escaped(title)}">`,
    label(LEFT, 22, title, INK, 'font-size="14" font-weight="600"'),
    ...key,
    ...panels.flat(),
    '</svg>\n',
  ].join('\n')
}

function panel(
  level: number,
  left: number,
  curves: readonly { scored: Scored; colour: string; name: string }[],
): string[] {
  const x = (share: number) => round(left + share * SIDE)
  const y = (share: number) => round(TOP + (1 - share) * SIDE)
  const ticks = [0, 0.25, 0.5, 0.75, 1]
  const lines = [
    `<rect x="${left}" y="${TOP}" width="${SIDE}" height="${SIDE}" fill="none" stroke="${INK}" stroke-opacity=".5"/>`,
    `<path d="M${x(0)} ${y(0)}L${x(1)} ${y(1)}" stroke="${INK}" stroke-dasharray="4 4"/>`,
    ...ticks.map((tick) => label(x(tick), TOP + SIDE + 16, String(tick), INK, 'text-anchor="middle"')),
    ...ticks.map((tick) => label(left - 6, y(tick) + 4, String(tick), INK, 'text-anchor="end"')),
    label(left + SIDE / 2, TOP - 12, `l${level + 1}: share right by probability said`, INK, 'text-anchor="middle"'),
  ]
  curves.forEach(({ scored, colour }, at) => {
    const bins = reliabilityBins(scored.probabilities[level]!, scored.hits[level]!, BINS)
    lines.push(
      ...curve(
        bins.filter(({ rows }) => rows >= CURVE_ROWS_MIN),
        colour,
        x,
        y,
      ),
      ...counts(bins, colour, x, TOP + SIDE + 34 + at * 14),
    )
  })
  return lines
}

function curve(
  bins: readonly Bin[],
  colour: string,
  x: (share: number) => number,
  y: (share: number) => number,
): string[] {
  if (bins.length === 0) return []
  const upper = bins.map(({ probability, interval }) => `${x(probability)} ${y(interval[1])}`)
  const lower = bins.map(({ probability, interval }) => `${x(probability)} ${y(interval[0])}`).reverse()
  const line = bins.map(({ probability, hits }) => `${x(probability)} ${y(hits)}`)
  return [
    `<path d="M${[...upper, ...lower].join('L')}Z" fill="${colour}" fill-opacity=".18"/>`,
    `<path d="M${line.join('L')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...bins.map(({ probability, hits }) => `<circle cx="${x(probability)}" cy="${y(hits)}" r="3" fill="${colour}"/>`),
  ]
}

/** A number under each bin that has rows. */
function counts(bins: readonly Bin[], colour: string, x: (share: number) => number, at: number): string[] {
  return bins.map(({ probability, rows }) => {
    const middle = (Math.max(0, Math.min(BINS - 1, Math.ceil(probability * BINS) - 1)) + 0.5) / BINS
    return label(x(middle), at, short(rows), colour, 'font-size="10" text-anchor="middle"')
  })
}

function short(rows: number): string {
  return rows < 1000 ? String(rows) : `${(rows / 1000).toPrecision(2)}k`
}

function label(x: number, y: number, text: string, colour: string, more = ''): string {
  return `<text x="${x}" y="${y}" fill="${colour}" ${more}>${escaped(text)}</text>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
