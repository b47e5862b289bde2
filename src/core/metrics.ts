// How good a model's predictions are on labelled items. Pure arithmetic over what it is given; fits nothing.
import { gateMiss } from './gate.ts'
import { pathKey } from './labels.ts'
import type { LabelPath } from './labels.ts'

/** One labelled item and what the model said of it. */
export interface Judged {
  readonly gold: LabelPath
  /** Undefined where the model failed on the item: wrong at every level, never covered. */
  readonly label: LabelPath | undefined
  /** Calibrated, per level, l1 first. */
  readonly probabilities: readonly number[]
  /** Most probable paths, best first. */
  readonly shortlist: readonly LabelPath[]
}

export interface ClassMetrics {
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** Items whose gold label this is. */
  readonly support: number
}

/** Shares are fractions in [0, 1]; NaN-free: a share of nothing is 0. */
export interface Metrics {
  readonly items: number
  /** `l1`, `l2`, …: share of items whose path is right down to that level. */
  readonly accuracy: Readonly<Record<string, number>>
  /**
   * Mean F1 over the whole paths that occur as gold. A class that is answered but never gold costs its rows' own
   * classes their recall; it is no class of the data.
   */
  readonly macroF1: number
  readonly perClass: Readonly<Record<string, ClassMetrics>>
  /** Share of items whose gold path is among the best three, five. */
  readonly top3: number
  readonly top5: number
  /** Share of items that clear every threshold. */
  readonly coverage: number
  /** Share of those whose whole path is right. */
  readonly selectiveAccuracy: number
  /** Expected calibration error of the deepest level's probability, see `calibrationError`. */
  readonly ece: number
}

const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole)

/** Levels of the path that are right, counted from l1 until the first that is wrong. */
function depthRight(gold: LabelPath, label: LabelPath | undefined): number {
  const wrong = gold.findIndex((name, level) => name !== label?.[level])
  return wrong < 0 ? gold.length : wrong
}

export function measure(judged: readonly Judged[], levels: number, thresholds: readonly number[]): Metrics {
  const right = Array.from({ length: levels }, () => 0)
  const confidences = new Float64Array(judged.length)
  const hits = new Uint8Array(judged.length)
  let covered = 0
  let coveredRight = 0
  let top3 = 0
  let top5 = 0
  judged.forEach(({ gold, label, probabilities, shortlist }, index) => {
    const depth = depthRight(gold, label)
    for (let level = 0; level < Math.min(depth, levels); level++) right[level]! += 1
    const whole = depth === gold.length && label?.length === depth
    hits[index] = whole ? 1 : 0
    confidences[index] = probabilities[levels - 1] ?? 0
    const key = pathKey(gold)
    const rank = shortlist.findIndex((path) => pathKey(path) === key)
    if (rank >= 0 && rank < 3) top3++
    if (rank >= 0 && rank < 5) top5++
    if (label === undefined || misses(thresholds, label, probabilities)) return
    covered++
    if (whole) coveredRight++
  })
  const perClass = classMetrics(judged)
  const f1 = Object.values(perClass)
    .filter(({ support }) => support > 0)
    .map((one) => one.f1)
  return {
    items: judged.length,
    accuracy: Object.fromEntries(right.map((count, level) => [`l${level + 1}`, share(count, judged.length)])),
    macroF1: share(
      f1.reduce((sum, one) => sum + one, 0),
      f1.length,
    ),
    perClass,
    top3: share(top3, judged.length),
    top5: share(top5, judged.length),
    coverage: share(covered, judged.length),
    selectiveAccuracy: share(coveredRight, covered),
    ece: calibrationError(confidences, hits),
  }
}

function misses(thresholds: readonly number[], label: LabelPath, probabilities: readonly number[]): boolean {
  return gateMiss({ thresholds }, { label, probabilities, tier: 'local', digest: '' }) !== undefined
}

function classMetrics(judged: readonly Judged[]): Record<string, ClassMetrics> {
  const counts = new Map<string, { gold: number; said: number; both: number }>()
  const of = (key: string) => {
    let count = counts.get(key)
    if (count === undefined) counts.set(key, (count = { gold: 0, said: 0, both: 0 }))
    return count
  }
  for (const { gold, label } of judged) {
    const key = pathKey(gold)
    of(key).gold++
    if (label === undefined) continue
    const said = pathKey(label)
    of(said).said++
    if (said === key) of(key).both++
  }
  return Object.fromEntries(
    [...counts.entries()].sort().map(([key, { gold, said, both }]) => {
      const f1 = share(2 * both, gold + said)
      return [key, { precision: share(both, said), recall: share(both, gold), f1, support: gold }]
    }),
  )
}

/**
 * Expected calibration error: mean distance between confidence and accuracy over 15 bins of equal width, weighted by
 * size (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2).
 */
export function calibrationError(confidences: ArrayLike<number>, hits: ArrayLike<number>, bins = 15): number {
  const confidence = new Float64Array(bins)
  const hit = new Float64Array(bins)
  for (let index = 0; index < confidences.length; index++) {
    const bin = Math.max(0, Math.min(bins - 1, Math.ceil(confidences[index]! * bins) - 1))
    confidence[bin]! += confidences[index]!
    hit[bin]! += hits[index]!
  }
  let distance = 0
  for (let bin = 0; bin < bins; bin++) distance += Math.abs(confidence[bin]! - hit[bin]!)
  return share(distance, confidences.length)
}
