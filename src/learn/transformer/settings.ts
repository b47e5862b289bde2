// How a transformer is fine-tuned. Values are those of the literature unless a note says that they were measured here.
import { ADAMW, type AdamW } from '../adamw.ts'

export interface TransformerSettings {
  readonly batchRows: number
  readonly epochs: number
  /** Ends the fit early: the learning rate decays with the time where that is further on than the steps. */
  readonly minutes: number
  readonly learningRate: number
  /** Steps of the classifier, which begins with nothing, as a multiple of the encoder's. */
  readonly classifierPace: number
  /** Share of the steps in which the learning rate rises. */
  readonly warmup: number
  /** Share of the pooled vector that is dropped in training. */
  readonly dropout: number
  readonly labelSmoothing: number
  /** Rank of the adapters; 0 trains every weight. */
  readonly rank: number
  /** Longer pairs are cut, the longer text first. */
  readonly tokensMax: number
  readonly normMax: number
  readonly threads: number
  readonly adamw: AdamW
}

/** Devlin et al., "BERT", appendix A.3 (learning rate, warm-up, decay, dropout); adapters as in Hu et al., table 11. */
export const TRANSFORMER: TransformerSettings = {
  batchRows: 32,
  epochs: 2,
  minutes: Infinity,
  learningRate: 3e-5,
  classifierPace: 1,
  warmup: 0.1,
  dropout: 0.1,
  labelSmoothing: 0,
  rank: 0,
  tokensMax: 64,
  normMax: 1,
  threads: 2,
  adamw: ADAMW,
}

/** Adapters start at nothing and take larger steps. */
export const ADAPTER_LEARNING_RATE = 5e-4

/** Of an encoder that is tuned for a stack: many short texts bear larger steps. */
export const TUNING: TransformerSettings = { ...TRANSFORMER, learningRate: 1e-4, classifierPace: 30 }

/** Of a cross-encoder beside a pair model: tens of thousands of short pairs. */
export const PAIR_TUNING: TransformerSettings = {
  ...TRANSFORMER,
  learningRate: 1e-4,
  classifierPace: 10,
  tokensMax: 48,
}
