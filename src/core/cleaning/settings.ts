// How sure cleaning must be before it touches a label, and how much it may touch at most.

export interface CleaningSettings {
  /**
   * Per level, l1 first; the last one holds for deeper levels. A label is judged wrong at the first level where the best
   * path differs, if of the two names there the model is at least this sure that the best path's is right
   * (probabilities corrected for the estimated noise, see `corrected`) …
   */
  readonly wrongMin: readonly number[]
  /** … and if that name is at least this probable by itself, corrected as well. */
  readonly likelyMin: number
  /**
   * Per level: a label judged wrong is replaced if at that level and at every deeper one the corrected probability of
   * the best path's name is at least this; else the right label is not known and the row is dropped.
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

/**
 * Chosen with noise of a known kind in training parts of catalog and mercadona-es. There a label that differs at l1
 * needs at least the odds that one at the leaf does, so `wrongMin` is one number; replacing is stricter the deeper.
 */
export const CLEANING: CleaningSettings = {
  wrongMin: [0.96],
  likelyMin: 0.5,
  replaceMin: [0.8, 0.85, 0.9],
  classRowsMin: 5,
  sourceShareMax: 0.4,
  classShareMax: 0.5,
  clusterShareMax: 0.5,
}
