// The settings of lexical training: one set of defaults for every data set, chosen on validation parts of
// catalog, grocery, fashion and mercadona-es (bench/lexical-settings.md says what was tried).
import { DEFAULT_FEATURES } from '../../core/lexical/features.ts'
import { ADAMW } from '../adamw.ts'
import { marginColumns } from './margins.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { AdamW } from '../adamw.ts'

export interface LexicalSettings {
  /** With as many buckets as the table has rows at most. */
  readonly features: FeatureSettings
  /** Buckets for data whose features all have rows, see `featuresFor`. */
  readonly bucketsMax: number
  /** Weight of a feature: sub-linear tf times idf to this power. */
  readonly idfPower: number
  /** Dimensions of the network's embeddings, a multiple of eight. */
  readonly width: number
  /** Columns of the table at most: its bytes per bucket. */
  readonly columnsMax: number
  readonly learningRate: number
  /** Share of the steps in which the rate rises; it falls linearly to nothing in the rest. */
  readonly warmup: number
  readonly adamw: AdamW
  /** Of the network's columns, see `Block`. */
  readonly squaresKept: number
  readonly featureDropout: number
  readonly sumDropout: number
  readonly labelSmoothing: number
  /** A level's share in the loss is this, to the power of its distance from the deepest. */
  readonly levelDecay: number
  /** Deviation of the first weights. */
  readonly spread: number
  /** Share of the rows kept for validation, and how many rows are wanted: little data is cut into several parts. */
  readonly validationShare: number
  readonly validationRows: number
  /** More rows than this are not held out, however much data there is: their logits would fill the memory. */
  readonly validationRowsMax: number
  /** Parts at most: no more than make up all rows. */
  readonly foldsMax: number
  /** Epochs are this divided by the root of the rows, within bounds: the more rows, the fewer epochs and the more steps. */
  readonly effort: number
  /** Effort at most, where passes are cheap: see `effortFor`. */
  readonly effortMax: number
  readonly epochsMin: number
  readonly epochsMax: number
  /** So many epochs after the best one, see `bestEpoch`, all fits are told to stop. */
  readonly patience: number
  /** Calibrated distributions are raised to this power, see `proposeThresholds`; 1 leaves them. */
  readonly power: number
  /** Known titles are asked how near they lie, see `TitleIndex`, where they and the model take no more bytes than this. */
  readonly bytesMax: number
  /** Share of answers that is to be right at the proposed thresholds. */
  readonly precision: number
}

export const LEXICAL: LexicalSettings = {
  features: DEFAULT_FEATURES,
  bucketsMax: 262_144,
  idfPower: 0.5,
  width: 128,
  columnsMax: 224,
  learningRate: 0.007,
  warmup: 0.05,
  adamw: ADAMW,
  squaresKept: 0.9,
  featureDropout: 0.3,
  sumDropout: 0.3,
  labelSmoothing: 0.05,
  levelDecay: 0.5,
  spread: 0.02,
  validationShare: 0.2,
  validationRows: 6000,
  validationRowsMax: 20_000,
  foldsMax: 5,
  effort: 1500,
  effortMax: 2250,
  epochsMin: 6,
  epochsMax: 40,
  patience: 4,
  power: 2,
  bytesMax: 16_000_000,
  precision: 0.97,
}

/** The same settings, with so many parts held out, however much data there is: more rows to certify a threshold on. */
export function withFolds(settings: LexicalSettings, folds: number): LexicalSettings {
  return { ...settings, validationRows: Infinity, foldsMax: folds }
}

/** Small data learns better from small batches: a power of two near one row in a hundred, between 32 and 256. */
export function batchRowsFor(rows: number): number {
  return 2 ** Math.max(5, Math.min(8, Math.round(Math.log2(Math.max(rows, 1) / 100))))
}

/** Share of so many rows that is held out for validation. */
export function heldShare(rows: number, { validationShare, validationRowsMax }: LexicalSettings): number {
  return Math.min(validationShare, validationRowsMax / Math.max(rows, 1))
}

/** What a pass costs a row, in multiply-adds of the head, up to which it is cheap; what an entry of the table does, beside. */
const CHEAP = 190_000
const ENTRY_COST = 13

/**
 * Effort for data of so many features a row: more where short texts or few labels make a pass cheap, so that training takes
 * no longer than where they do not. More passes gain on fashion and lose nothing that can be told from chance elsewhere
 * (bench/lexical-settings.md).
 */
export function effortFor(featuresPerRow: number, tree: Tree, settings: LexicalSettings): number {
  const { effort, effortMax, featureDropout } = settings
  const { network, width } = columnsFor(tree, settings)
  const nodes = tree.nodes.reduce((sum, count) => sum + count, 0)
  const cost = ENTRY_COST * (1 - featureDropout) * featuresPerRow * width + network * nodes
  return Math.max(effort, Math.min(effortMax, (effort * CHEAP) / cost))
}

export function epochsFor(rows: number, settings: LexicalSettings): number {
  const { effort, epochsMin, epochsMax } = settings
  return Math.max(epochsMin, Math.min(epochsMax, Math.round(effort / Math.sqrt(Math.max(rows, 1)))))
}

/** Columns of the table while training: the network's, then those of the margins, if any, then padding. */
export interface Columns {
  readonly network: number
  readonly margins: number
  readonly width: number
}

/** Columns of a table come in multiples of this: kernels take eight at a time. */
const COLUMNS_STEP = 8

/** Margins take a column a path, where that leaves the network its whole width: else it does better alone. */
export function columnsFor(tree: Tree, { width, columnsMax }: LexicalSettings): Columns {
  const margins = width + tree.paths > columnsMax ? 0 : marginColumns(tree)
  return { network: width, margins, width: Math.ceil((width + margins) / COLUMNS_STEP) * COLUMNS_STEP }
}
