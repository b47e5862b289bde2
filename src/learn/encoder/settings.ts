// The settings of heads over a frozen encoder: the published recipe (768 → 512 → N), early stopping for the rest.
import { ADAMW } from '../adamw.ts'
import type { AdamW } from '../adamw.ts'

export interface HeadSettings {
  /** Units of the hidden layer, one layer a level; 0: a linear head. */
  readonly hidden: number
  readonly dropout: number
  readonly labelSmoothing: number
  readonly learningRate: number
  readonly adamw: AdamW
  /** Enough passes to see this many rows, within bounds; the rate falls linearly to nothing over them. */
  readonly rowsSeen: number
  readonly epochsMin: number
  readonly epochsMax: number
  /** Passes without a better validation accuracy after which training ends. */
  readonly patience: number
  readonly threads: number
  /** Share of the rows kept for validation. */
  readonly validationShare: number
  /** Share of answers that is to be right at the proposed thresholds. */
  readonly precision: number
}

export const MLP: HeadSettings = {
  hidden: 512,
  dropout: 0.2,
  labelSmoothing: 0.05,
  learningRate: 1e-3,
  adamw: ADAMW,
  rowsSeen: 600_000,
  epochsMin: 10,
  epochsMax: 40,
  patience: 6,
  threads: 2,
  validationShare: 0.1,
  precision: 0.97,
}

export const LINEAR: HeadSettings = { ...MLP, hidden: 0, dropout: 0, learningRate: 5e-3 }

export function epochsFor(rows: number, { rowsSeen, epochsMin, epochsMax }: HeadSettings): number {
  return Math.max(epochsMin, Math.min(epochsMax, Math.round(rowsSeen / Math.max(rows, 1))))
}
