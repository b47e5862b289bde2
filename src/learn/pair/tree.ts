// Grows one regression tree on binned features, best leaf first, from gradients and curvatures.
// The histogram method of LightGBM (Ke et al., NeurIPS 2017): the larger child's histogram is a subtraction.
import { BINS_MAX } from './bins.ts'

export interface TreeSettings {
  readonly leaves: number
  /** Rows a leaf holds at least. */
  readonly leafRows: number
  /** L2 on leaf values. */
  readonly lambda: number
  /** Multiplies leaf values. */
  readonly rate: number
}

/** Node n splits on bin(feature[n]) <= bin[n] → left[n], else right[n]; a leaf has feature -1 and a value. */
export interface Tree {
  readonly feature: number[]
  readonly bin: number[]
  readonly left: number[]
  readonly right: number[]
  readonly value: number[]
}

interface Split {
  readonly gain: number
  readonly feature: number
  readonly bin: number
}

interface Leaf {
  readonly node: number
  readonly rows: Int32Array
  /** features × bins × (gradient, curvature, count). */
  readonly histogram: Float64Array
  readonly split: Split | undefined
}

const CELLS = BINS_MAX * 3

export function growTree(
  bins: Uint8Array,
  rowsTotal: number,
  rows: Int32Array,
  features: readonly number[],
  gradient: Float32Array,
  curvature: Float32Array,
  settings: TreeSettings,
): Tree {
  const tree: Tree = { feature: [], bin: [], left: [], right: [], value: [] }

  const histogramOf = (of: Int32Array): Float64Array => {
    const histogram = new Float64Array(features.length * CELLS)
    for (let f = 0; f < features.length; f++) {
      const column = features[f]! * rowsTotal
      const base = f * CELLS
      for (let at = 0; at < of.length; at++) {
        const row = of[at]!
        const cell = base + bins[column + row]! * 3
        histogram[cell]! += gradient[row]!
        histogram[cell + 1]! += curvature[row]!
        histogram[cell + 2]! += 1
      }
    }
    return histogram
  }
  const leaf = (of: Int32Array, histogram: Float64Array): Leaf => {
    let g = 0
    let h = 0
    for (let cell = 0; cell < CELLS; cell += 3) {
      g += histogram[cell]!
      h += histogram[cell + 1]!
    }
    const node = tree.feature.length
    tree.feature.push(-1)
    tree.bin.push(0)
    tree.left.push(0)
    tree.right.push(0)
    tree.value.push((-settings.rate * g) / (h + settings.lambda))
    return { node, rows: of, histogram, split: bestSplit(histogram, features, g, h, of.length, settings) }
  }

  const open = [leaf(rows, histogramOf(rows))]
  for (let count = 1; count < settings.leaves; count++) {
    let best = -1
    for (let at = 0; at < open.length; at++) {
      const gain = open[at]!.split?.gain ?? 0
      if (gain > 1e-9 && (best < 0 || gain > open[best]!.split!.gain)) best = at
    }
    if (best < 0) break
    const parent = open[best]!
    const split = parent.split!
    const [left, right] = divide(bins, rowsTotal, parent.rows, split)
    const [small, large] = left.length <= right.length ? [left, right] : [right, left]
    const smallHistogram = histogramOf(small)
    const largeHistogram = parent.histogram
    for (let cell = 0; cell < largeHistogram.length; cell++) largeHistogram[cell]! -= smallHistogram[cell]!
    const leftLeaf = leaf(left, small === left ? smallHistogram : largeHistogram)
    const rightLeaf = leaf(right, large === right ? largeHistogram : smallHistogram)
    tree.feature[parent.node] = split.feature
    tree.bin[parent.node] = split.bin
    tree.left[parent.node] = leftLeaf.node
    tree.right[parent.node] = rightLeaf.node
    open.splice(best, 1, leftLeaf, rightLeaf)
  }
  return tree
}

function divide(bins: Uint8Array, rowsTotal: number, rows: Int32Array, split: Split): [Int32Array, Int32Array] {
  const left = new Int32Array(rows.length)
  const right = new Int32Array(rows.length)
  const column = split.feature * rowsTotal
  let l = 0
  let r = 0
  for (const row of rows) {
    if (bins[column + row]! <= split.bin) left[l++] = row
    else right[r++] = row
  }
  return [left.slice(0, l), right.slice(0, r)]
}

function bestSplit(
  histogram: Float64Array,
  features: readonly number[],
  g: number,
  h: number,
  rows: number,
  { leafRows, lambda }: TreeSettings,
): Split | undefined {
  if (rows < 2 * leafRows) return undefined
  const whole = (g * g) / (h + lambda)
  let gain = 0
  let feature = -1
  let bin = 0
  for (let f = 0; f < features.length; f++) {
    let leftG = 0
    let leftH = 0
    let leftRows = 0
    for (let b = 0; b < BINS_MAX - 1; b++) {
      const cell = f * CELLS + b * 3
      const inBin = histogram[cell + 2]!
      if (inBin === 0) continue
      leftG += histogram[cell]!
      leftH += histogram[cell + 1]!
      leftRows += inBin
      if (leftRows < leafRows) continue
      if (rows - leftRows < leafRows) break
      const rightG = g - leftG
      const here = (leftG * leftG) / (leftH + lambda) + (rightG * rightG) / (h - leftH + lambda) - whole
      if (here > gain) {
        gain = here
        feature = features[f]!
        bin = b
      }
    }
  }
  return feature < 0 ? undefined : { gain, feature, bin }
}

/** Adds the tree's value to `scores[row × stride + offset]` for every row. */
export function addTree(
  tree: Tree,
  bins: Uint8Array,
  rowsTotal: number,
  scores: Float32Array,
  stride: number,
  offset: number,
): void {
  for (let row = 0; row < rowsTotal; row++) {
    let node = 0
    while (tree.feature[node]! >= 0)
      node = bins[tree.feature[node]! * rowsTotal + row]! <= tree.bin[node]! ? tree.left[node]! : tree.right[node]!
    scores[row * stride + offset]! += tree.value[node]!
  }
}
