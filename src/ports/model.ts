// The model port: texts in, calibrated probabilities over existing paths out.
import type { Ranked } from '../core/answer.ts'
import type { LabelPath, LabelSet } from '../core/labels.ts'

export interface Prediction {
  readonly label: LabelPath
  /** Calibrated probability of the label's node at each level, l1 first. */
  readonly probabilities: readonly number[]
  /** The most probable paths, best first; `shortlist` of them at most. */
  readonly shortlist: readonly Ranked[]
}

export interface Model {
  /** Digest of the manifest: names exactly these weights, label set, normaliser and calibration. */
  readonly digest: string
  readonly labels: LabelSet
  /** Thresholds that the manifest proposes, per level. */
  readonly thresholds: readonly number[]
  /**
   * One per input, in order. An input is one text per segment of the task. `undefined` where the model failed on that
   * input (non-finite output): the item passes on, never the batch.
   */
  classify(
    inputs: readonly (readonly string[])[],
    options: { readonly shortlist: number },
  ): Promise<readonly (Prediction | undefined)[]>
  /** Waits for what is running, then frees the workers. */
  close(): Promise<void>
}
