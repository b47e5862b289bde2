// The curve of a training as SVG: loss, and accuracy on the validation part, epoch by epoch, with the epoch that was
// chosen. Self-contained, legible on a light and on a dark page. Draws what it is given and judges nothing.

export interface CurvePoint {
  /** Epoch or round, from 1. */
  readonly at: number
  /** Mean training loss of that epoch, or the loss on the validation part. */
  readonly loss: number
  /** Accuracy on the validation part, per level, l1 first; none where it was not measured. */
  readonly accuracy?: readonly number[] | undefined
}

export interface CurveTexts {
  /** What `at` counts: epoch, round, step. */
  readonly unit: string
  /** Whose loss it is: training loss, validation loss. */
  readonly loss: string
}

const COLOURS = ['#3b82c4', '#d9822b', '#3a9d5d', '#c8508f'] as const
const STYLE =
  '<style>text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:14px;font-weight:600}' +
  '.grid{stroke:#999;stroke-opacity:.3}.chosen{stroke:#999;stroke-dasharray:4 3}polyline{fill:none;stroke-width:2}' +
  '@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>'
const PANEL = { width: 380, height: 300, left: 56, right: 20, top: 56, bottom: 44 }
const TICKS = 4

interface Series {
  readonly name: string
  readonly points: readonly { readonly at: number; readonly value: number }[]
}

/** One panel for the loss and, where accuracies were measured, one for them; `chosen` is one of the points' `at`. */
export function curveSvg(points: readonly CurvePoint[], chosen: number, texts: CurveTexts): string {
  const loss = { name: texts.loss, points: points.map(({ at, loss }) => ({ at, value: loss })) }
  const levels = Math.max(0, ...points.map(({ accuracy }) => accuracy?.length ?? 0))
  const accuracies = Array.from({ length: levels }, (_, level) => ({
    name: `l${level + 1}`,
    points: points.flatMap(({ at, accuracy }) => (accuracy ? [{ at, value: 100 * accuracy[level]! }] : [])),
  }))
  const panels = [
    panel(texts.loss, [loss], chosen, texts.unit),
    ...(levels > 0 ? [panel('accuracy on the validation part, %', accuracies, chosen, texts.unit)] : []),
  ]
  const drawn = panels.map((content, index) => `<g transform="translate(${index * PANEL.width} 0)">${content}</g>`)
  const width = panels.length * PANEL.width
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${PANEL.height}" width="${width}" height="${PANEL.height}">${STYLE}\n${drawn.join('\n')}\n</svg>\n`
}

function panel(title: string, series: readonly Series[], chosen: number, unit: string): string {
  const { width, height, left, right, top, bottom } = PANEL
  const all = series.flatMap(({ points }) => points)
  const x = scale(range(all.map(({ at }) => at)), left, width - right)
  const values = range(all.map(({ value }) => value))
  const y = scale(values, height - bottom, top)
  const digits = values.most - values.least < 1 ? 3 : 1
  const rows = Array.from({ length: TICKS + 1 }, (_, tick) => {
    const value = values.least + ((values.most - values.least) * tick) / TICKS
    return (
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}"/>` +
      `<text x="${left - 6}" y="${y(value)}" dy="4" text-anchor="end">${value.toFixed(digits)}</text>`
    )
  })
  const lines = series.map(({ name, points }, index) => {
    const colour = COLOURS[index % COLOURS.length]!
    const path = points.map(({ at, value }) => `${x(at)},${y(value)}`).join(' ')
    const key = series.length > 1 ? `<text x="${left + index * 40}" y="42" style="fill:${colour}">${name}</text>` : ''
    return `${key}<polyline stroke="${colour}" points="${path}"/>`
  })
  const last = all.at(-1)?.at ?? 1
  return [
    `<text class="title" x="${left}" y="22">${title}</text>`,
    ...rows,
    `<line class="chosen" x1="${x(chosen)}" x2="${x(chosen)}" y1="${top}" y2="${height - bottom}"/>`,
    ...lines,
    `<text x="${x(1)}" y="${height - bottom + 18}" text-anchor="middle">1</text>`,
    `<text x="${x(last)}" y="${height - bottom + 18}" text-anchor="middle">${last}</text>`,
    `<text x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle">${unit} (chosen: ${chosen})</text>`,
  ].join('\n')
}

interface Range {
  readonly least: number
  readonly most: number
}

function range(values: readonly number[]): Range {
  const least = values.reduce((a, b) => Math.min(a, b), Infinity)
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity)
  return { least, most }
}

/** A range of one value, or of none, lies in the middle. */
function scale({ least, most }: Range, from: number, to: number): (value: number) => number {
  return (value) => {
    const share = most > least ? (value - least) / (most - least) : 0.5
    return Math.round(10 * (from + share * (to - from))) / 10
  }
}
