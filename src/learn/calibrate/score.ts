// What a model says of labelled rows, side by side: probabilities and hits per level, and the whole distribution where
// a calibrator is to be fitted to it. Asks the model port; judges nothing.
import { pathIndex, pathKey } from '../../core/labels.ts'
import type { JointRows } from '../../core/calibration/scaling.ts'
import type { LabelPath } from '../../core/labels.ts'
import type { Model } from '../../ports/model.ts'

export interface LabelledRow {
  readonly texts: readonly string[]
  readonly label: LabelPath
}

/** Per level, l1 first, one number a row. A row that the model failed on has probability 0 and no hit. */
export interface Scored {
  readonly probabilities: readonly Float64Array[]
  /** 1 where the answer's path is right down to the level. */
  readonly hits: readonly Uint8Array[]
}

export interface Asking {
  readonly signal: AbortSignal
  readonly report: (rows: number) => void
}

const BATCH_ROWS = 4096
/** Whole distributions come as objects: fewer at a time. */
const JOINT_BATCH_ROWS = 256

/** The signal's reason is thrown where it is aborted. */
export async function scoreRows(model: Model, rows: readonly LabelledRow[], asking: Asking): Promise<Scored> {
  const { levels } = model.labels
  const probabilities = Array.from({ length: levels }, () => new Float64Array(rows.length))
  const hits = Array.from({ length: levels }, () => new Uint8Array(rows.length))
  for (let from = 0; from < rows.length; from += BATCH_ROWS) {
    asking.signal.throwIfAborted()
    const batch = rows.slice(from, from + BATCH_ROWS)
    const said = await model.classify(
      batch.map(({ texts }) => texts),
      { shortlist: 1 },
    )
    said.forEach((one, at) => {
      if (one === undefined) return
      let right = true
      for (let level = 0; level < levels; level++) {
        right &&= one.label[level] === batch[at]!.label[level]
        hits[level]![from + at] = right ? 1 : 0
        probabilities[level]![from + at] = one.probabilities[level]!
      }
    })
    asking.report(from + batch.length)
  }
  return { probabilities, hits }
}

export interface AnsweredRows extends JointRows {
  /** Index of the path that the model answered, its most probable one or not. */
  readonly answered: Int32Array
}

/** Joint probabilities of all paths; rows that the model failed on are left out. */
export async function jointRows(model: Model, rows: readonly LabelledRow[], asking: Asking): Promise<AnsweredRows> {
  const { paths } = model.labels
  const known = pathIndex(model.labels)
  const joint = new Float32Array(rows.length * paths.length)
  const gold: number[] = []
  const answered: number[] = []
  for (let from = 0; from < rows.length; from += JOINT_BATCH_ROWS) {
    asking.signal.throwIfAborted()
    const batch = rows.slice(from, from + JOINT_BATCH_ROWS)
    const said = await model.classify(
      batch.map(({ texts }) => texts),
      { shortlist: paths.length },
    )
    said.forEach((one, at) => {
      if (one === undefined) return
      for (const { label, probability } of one.shortlist)
        joint[gold.length * paths.length + known.get(pathKey(label))!] = probability
      gold.push(known.get(pathKey(batch[at]!.label)) ?? -1)
      answered.push(known.get(pathKey(one.label))!)
    })
    asking.report(from + batch.length)
  }
  return {
    rows: gold.length,
    joint: joint.subarray(0, gold.length * paths.length),
    gold: Int32Array.from(gold),
    answered: Int32Array.from(answered),
  }
}
