// The settings of lexical training: one set of defaults for every data set, chosen on validation parts of
// catalog, grocery, fashion and mercadona-es (bench/lexical-settings.md says what was tried).
import { DEFAULT_FEATURES } from '../../core/lexical/features.ts'
import { ADAMW } from '../adamw.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { AdamW } from '../adamw.ts'

export interface LexicalSettings {
  readonly features: FeatureSettings
  /** Weight of a feature: sub-linear tf times idf to this power. */
  readonly idfPower: number
  /** Dimensions of an embedding. */
  readonly width: number
  readonly threads: number
  readonly learningRate: number
  /** Share of the steps in which the rate rises; it falls linearly to nothing in the rest. */
  readonly warmup: number
  readonly adamw: AdamW
  readonly featureDropout: number
  readonly sumDropout: number
  readonly labelSmoothing: number
  /** A level's share in the loss is this, to the power of its distance from the deepest. */
  readonly levelDecay: number
  /** Deviation of the first weights. */
  readonly spread: number
  /** Share of the rows kept for validation. */
  readonly validationShare: number
  /** Enough passes to see this many rows, within bounds. */
  readonly rowsSeen: number
  readonly epochsMin: number
  readonly epochsMax: number
  /** Passes without a better validation accuracy after which training ends. */
  readonly patience: number
  /** Share of answers that is to be right at the proposed thresholds. */
  readonly precision: number
}

export const LEXICAL: LexicalSettings = {
  features: DEFAULT_FEATURES,
  idfPower: 0.5,
  width: 128,
  threads: 2,
  learningRate: 0.005,
  warmup: 0.05,
  adamw: ADAMW,
  featureDropout: 0.3,
  sumDropout: 0.3,
  labelSmoothing: 0.1,
  levelDecay: 0.5,
  spread: 0.02,
  validationShare: 0.1,
  rowsSeen: 200_000,
  epochsMin: 6,
  epochsMax: 40,
  patience: 4,
  precision: 0.97,
}

/** Small data learns better from small batches: a power of two near one row in a hundred, between 32 and 256. */
export function batchRowsFor(rows: number): number {
  return 2 ** Math.max(5, Math.min(8, Math.round(Math.log2(Math.max(rows, 1) / 100))))
}

export function epochsFor(rows: number, settings: LexicalSettings): number {
  const { rowsSeen, epochsMin, epochsMax } = settings
  return Math.max(epochsMin, Math.min(epochsMax, Math.round(rowsSeen / Math.max(rows, 1))))
}
