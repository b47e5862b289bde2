// From calibrated probabilities to a decision: the class whose log probability plus its offset is largest.
// Offsets make rare classes answerable (logit adjustment, Menon et al., ICLR 2021); probabilities stay calibrated.

/** Index of the decided class of row `row` of [rows × classes]; -1 where a probability is not finite. */
export function decide(probabilities: Float32Array, row: number, offsets: ArrayLike<number>): number {
  const classes = offsets.length
  let best = -1
  let top = -Infinity
  for (let c = 0; c < classes; c++) {
    const p = probabilities[row * classes + c]!
    if (!Number.isFinite(p)) return -1
    const score = Math.log(Math.max(p, 1e-12)) + offsets[c]!
    if (score > top) {
      top = score
      best = c
    }
  }
  return best
}
