// How sure cleaning must be before it touches a label, and how much it may touch at most.

export interface CleaningSettings {
  /**
   * Per level, l1 first (the last one holds for deeper levels): a label is judged wrong at the first level where the
   * best path differs if its margin there (see `margin` in decide.ts) is at least this. About −1 … 1.
   */
  readonly wrongMin: readonly number[]
  /**
   * Per level: the label judged wrong is replaced if at that level and at every deeper one the best path is at least
   * this times as probable as the labels the model confirms there; else the row is dropped.
   */
  readonly replaceMin: readonly number[]
  /** Rows of a label that fewer rows than this carry are kept: the model has hardly seen the label. */
  readonly classRowsMin: number
  /** At most these shares of the rows of a source, of a label, of a group of near-duplicates are changed … */
  readonly sourceShareMax: number
  readonly classShareMax: number
  /** … but of such a group always one row at least. */
  readonly clusterShareMax: number
}

export const CLEANING: CleaningSettings = {
  wrongMin: [0.75, 0.8, 0.85],
  replaceMin: [0.85, 0.9, 0.95],
  classRowsMin: 5,
  sourceShareMax: 0.4,
  classShareMax: 0.5,
  clusterShareMax: 0.5,
}
