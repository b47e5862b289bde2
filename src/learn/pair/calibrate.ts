// Fits what turns scores into calibrated probabilities and decisions, on out-of-fold scores only: one temperature,
// one offset a class, one threshold for the gate. Never sees the model itself.

export interface Scored {
  /** rows × classes: log scores of models that did not see the row. */
  readonly scores: Float32Array
  readonly labels: Int32Array
  readonly sources: Int32Array
  readonly classes: number
}

/** Temperature that minimises the cross entropy (Guo et al., ICML 2017), by golden section in [0.25, 4]. */
export function fitTemperature(scored: Omit<Scored, 'sources'>, rows: Int32Array): number {
  let low = Math.log(0.25)
  let high = Math.log(4)
  const golden = (Math.sqrt(5) - 1) / 2
  const loss = (at: number): number => crossEntropy(scored, rows, Math.exp(at))
  for (let step = 0; step < 20; step++) {
    const a = high - golden * (high - low)
    const b = low + golden * (high - low)
    if (loss(a) < loss(b)) high = b
    else low = a
  }
  return Math.exp((low + high) / 2)
}

function crossEntropy(
  { scores, labels, classes }: Omit<Scored, 'sources'>,
  rows: Int32Array,
  temperature: number,
): number {
  let total = 0
  for (const row of rows) {
    let sum = 0
    const own = scores[row * classes + labels[row]!]!
    for (let c = 0; c < classes; c++) sum += Math.exp((scores[row * classes + c]! - own) / temperature)
    total += Math.log(sum)
  }
  return total / Math.max(1, rows.length)
}

export interface Figures {
  readonly rows: number
  readonly accuracy: number
  /** Mean F1 over the classes that occur. */
  readonly macroF1: number
  readonly precision: readonly number[]
  readonly recall: readonly number[]
  readonly support: readonly number[]
}

/** Figures of decisions on the listed rows; `logs` are log probabilities. */
export function figures(logs: Float32Array, labels: Int32Array, rows: Int32Array, offsets: ArrayLike<number>): Figures {
  const classes = offsets.length
  const hit = new Float64Array(classes)
  const said = new Float64Array(classes)
  const support = new Float64Array(classes)
  for (const row of rows) {
    let best = 0
    let top = -Infinity
    for (let c = 0; c < classes; c++) {
      const score = logs[row * classes + c]! + offsets[c]!
      if (score > top) {
        top = score
        best = c
      }
    }
    said[best]!++
    support[labels[row]!]!++
    if (best === labels[row]) hit[best]!++
  }
  let sum = 0
  let present = 0
  for (let c = 0; c < classes; c++) {
    if (support[c] === 0) continue
    present++
    sum += (2 * hit[c]!) / (said[c]! + support[c]!)
  }
  const total = hit.reduce((a, b) => a + b, 0)
  return {
    rows: rows.length,
    accuracy: total / Math.max(1, rows.length),
    macroF1: present ? sum / present : 0,
    precision: Array.from(hit, (value, c) => (said[c] ? value / said[c]! : 0)),
    recall: Array.from(hit, (value, c) => (support[c] ? value / support[c]! : 0)),
    support: [...support],
  }
}

/** Decisions may cost this much accuracy against the plain most probable class on a source without counting against them. */
export const ACCURACY_COST = 0.025
const STEP = 0.05
/** What a source that loses more than that is worth less, in macro-F1 a unit of accuracy. */
const PENALTY = 4

/** A class of fewer rows keeps the offset 0: they say too little of how rare it is. */
const CLASS_ROWS_MIN = 50

/**
 * Offsets (the most frequent class's is 0) that maximise macro-F1, averaged over sources by what `weigh` makes of their rows.
 * What the accuracy of a source falls against arg-max by more than ACCURACY_COST is held against them; where there are
 * several, by more than one standard error beyond it (a source of 200 rows loses that by chance, and must not decide for
 * all). Coordinate search on a grid, coarse and fine by turns.
 */
export function fitOffsets(
  { scores: logs, labels, sources, classes }: Scored,
  rows: Int32Array,
  weigh: (rows: number) => number = Math.sqrt,
): number[] {
  const zero = Array.from({ length: classes }, () => 0)
  const bySource = [...Map.groupBy(rows, (row) => sources[row]!).values()]
  const groups = bySource.map((group) => {
    const own = Int32Array.from(group)
    const { accuracy } = figures(logs, labels, own, zero)
    const error = bySource.length > 1 ? Math.sqrt((accuracy * (1 - accuracy)) / own.length) : 0
    return { own, weight: weigh(own.length), least: accuracy - ACCURACY_COST - error }
  })
  const { support } = figures(logs, labels, rows, zero)
  const reference = support.indexOf(Math.max(...support))
  const moved = support.flatMap((rows, c) => (c !== reference && rows >= CLASS_ROWS_MIN ? [c] : []))
  const worth = (offsets: readonly number[]): number => {
    let sum = 0
    for (const { own, weight, least } of groups) {
      const { accuracy, macroF1 } = figures(logs, labels, own, offsets)
      sum += weight * (macroF1 - PENALTY * Math.max(0, least - accuracy))
    }
    return sum / groups.reduce((total, { weight }) => total + weight, 0)
  }
  let best = { offsets: zero, worth: worth(zero) }
  for (let pass = 0; pass < 9; pass++) {
    const before = best.worth
    const width = [4, 2, 1][pass % 3]!
    for (const c of moved) {
      for (let step = -10; step <= 10; step++) {
        const offsets = best.offsets.with(c, best.offsets[c]! + step * STEP * width)
        if (Math.abs(offsets[c]!) > 4) continue
        const here = worth(offsets)
        if (here > best.worth + 1e-6) best = { offsets, worth: here }
      }
    }
    if (pass > 3 && best.worth - before < 1e-5) break
  }
  return best.offsets.map((offset) => Math.round(offset * 100) / 100)
}

/** Lowest threshold at which decided rows are right with `precision`, as seen here; 0.99 where none is. */
export function fitThreshold(
  decided: readonly { readonly probability: number; readonly right: boolean }[],
  precision: number,
): number {
  const sorted = decided.toSorted((a, b) => b.probability - a.probability)
  const least = Math.max(20, Math.ceil(sorted.length / 200))
  let right = 0
  let threshold = 0.99
  for (const [at, { probability, right: hit }] of sorted.entries()) {
    if (hit) right++
    if (at + 1 >= least && right / (at + 1) >= precision) threshold = probability
  }
  return Math.round(Math.min(0.99, threshold) * 1000) / 1000
}
