// Cuts each dense feature into at most 64 bins at its quantiles, so that trees look at bytes instead of numbers.
// A bin's upper edge is the threshold the exported tree compares with: value <= edge goes left. NaN is not expected.

export const BINS_MAX = 64

export interface Bins {
  /** edges[f][b] is the largest value of bin b; the last bin has none. Ascending. */
  readonly edges: readonly Float32Array[]
}

/** Quantile edges of a rows × width matrix. */
export function cutBins(values: Float32Array, width: number, sampleRows: Int32Array): Bins {
  const edges: Float32Array[] = []
  const column = new Float32Array(sampleRows.length)
  for (let f = 0; f < width; f++) {
    for (let at = 0; at < sampleRows.length; at++) column[at] = values[sampleRows[at]! * width + f]!
    column.sort()
    edges.push(quantileEdges(column))
  }
  return { edges }
}

function quantileEdges(sorted: Float32Array): Float32Array {
  const distinct: number[] = []
  for (let at = 0; at < sorted.length; at++) {
    if (at === 0 || sorted[at] !== sorted[at - 1]) distinct.push(sorted[at]!)
    if (distinct.length > BINS_MAX) break
  }
  const cuts: number[] = []
  if (distinct.length <= BINS_MAX) {
    for (let at = 0; at + 1 < distinct.length; at++) cuts.push(between(distinct[at]!, distinct[at + 1]!))
  } else {
    for (let bin = 1; bin < BINS_MAX; bin++) {
      const at = Math.floor((sorted.length * bin) / BINS_MAX)
      const low = sorted[at - 1]!
      let high = at
      while (high < sorted.length && sorted[high] === low) high++
      if (high >= sorted.length) break
      const cut = between(low, sorted[high]!)
      if (cut > (cuts.at(-1) ?? -Infinity)) cuts.push(cut)
    }
  }
  return Float32Array.from(cuts)
}

/** A float32 at or above `low` and below `high`. */
function between(low: number, high: number): number {
  const middle = Math.fround((low + high) / 2)
  return middle < high ? middle : low
}

/** Bin of every value, feature by feature (column major): bins[f × rows + r]. */
export function applyBins(values: Float32Array, width: number, { edges }: Bins): Uint8Array {
  const rows = values.length / width
  const out = new Uint8Array(values.length)
  for (let f = 0; f < width; f++) {
    const cuts = edges[f]!
    for (let r = 0; r < rows; r++) {
      const value = values[r * width + f]!
      let low = 0
      let high = cuts.length
      while (low < high) {
        const middle = (low + high) >> 1
        if (value <= cuts[middle]!) high = middle
        else low = middle + 1
      }
      out[f * rows + r] = low
    }
  }
  return out
}
