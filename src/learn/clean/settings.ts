// The lexical model that judges labels: lighter than the one that is served, since it is fitted once a fold, and fitted
// for fewer passes, since a model that has learned the wrong labels by heart cannot find them.
import { LEXICAL } from '../lexical/settings.ts'
import type { LexicalSettings } from '../lexical/settings.ts'

const WIDTH = 64
/** More than where a model is served: surer models are sure of wrong labels too. */
const LABEL_SMOOTHING = 0.1
const ROWS_SEEN_MIN = 42_000
/** Labels of few rows are learned in more passes: with 25 rows a label in ten, with a hundred in five. */
const EFFORT_A_LABEL = 50

/** For so many rows of so many labels; without margins, which learn rare words and so wrong labels by heart. */
export function cleaner(rows: number, labels: number): LexicalSettings {
  const effort = Math.max(ROWS_SEEN_MIN / Math.sqrt(rows), EFFORT_A_LABEL * Math.sqrt(labels))
  const size = { width: WIDTH, columnsMax: WIDTH }
  return { ...LEXICAL, ...size, labelSmoothing: LABEL_SMOOTHING, effort, epochsMin: 5, epochsMax: 20 }
}
