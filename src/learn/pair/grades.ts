// What a grade says beyond the class that was cut from it: a pair that three raters gave 2.33 on the mean is nearly of the
// class above, one with 1.67 is not. A class becomes shares of the classes about the grade, which a model can learn from.

/** Levels of the grade with a smaller share of the rows say nothing of where classes were cut. */
const LEVEL_SHARE = 0.01
/** Finer than the classes: at least so many levels a class. */
const LEVELS_A_CLASS = 2
/** Of the distance between levels: how far from a cut a grade is still in doubt, as the scale of a logistic. */
const SOFTNESS = 0.45

export interface Graded {
  readonly grade: number
  /** Index of the class. */
  readonly label: number
}

/**
 * Shares of the classes [classes] for each row, which sum to 1; undefined where the classes are not cut from the grade (each
 * an interval of it) or the grade is no finer than they are. A row whose class is not the likeliest keeps it alone.
 */
export function gradeShares(rows: readonly Graded[], classes: number): Float32Array[] | undefined {
  const levels = [...Map.groupBy(rows, ({ grade }) => grade)]
    .filter(([, own]) => own.length >= LEVEL_SHARE * rows.length)
    .map(([grade, own]) => ({ grade, label: mostFrequent(own) }))
    .toSorted((a, b) => a.grade - b.grade)
  const blocks = levels.filter(({ label }, at) => at === 0 || levels[at - 1]!.label !== label)
  const order = blocks.map(({ label }) => label)
  if (order.length < 2 || new Set(order).size < order.length || levels.length < LEVELS_A_CLASS * order.length)
    return undefined
  const cuts = blocks.slice(1).map((first) => {
    const below = levels[levels.indexOf(first) - 1]!
    return (below.grade + first.grade) / 2
  })
  const gaps = levels.slice(1).map(({ grade }, at) => grade - levels[at]!.grade)
  const scale = SOFTNESS * gaps.toSorted((a, b) => a - b)[gaps.length >> 1]!
  return rows.map(({ grade, label }) => {
    const above = [1, ...cuts.map((cut) => 1 / (1 + Math.exp((cut - grade) / scale))), 0]
    const shares = new Float32Array(classes)
    order.forEach((own, at) => (shares[own] = above[at]! - above[at + 1]!))
    return shares[label] === Math.max(...shares) ? shares : Float32Array.from(shares, (_, c) => (c === label ? 1 : 0))
  })
}

function mostFrequent(rows: readonly Graded[]): number {
  const counts = [...Map.groupBy(rows, ({ label }) => label)].toSorted(([, a], [, b]) => b.length - a.length)
  return counts[0]![0]
}

/** For the cards of models that learned from shares; begins with what joins it to a sentence, '' where no row has any. */
export function gradedText(rows: readonly { readonly shares?: Float32Array | undefined }[]): string {
  const count = rows.filter(({ shares }) => shares !== undefined).length
  return count === 0 ? '' : `; of ${count} rows with a grade finer than the classes, shares of the classes about it`
}
