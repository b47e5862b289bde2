// The lexical model that judges labels: lighter than the one that is served, since it is fitted once a fold, and fitted
// for fewer passes, since a model that has learned the wrong labels by heart cannot find them.
import { LEXICAL } from '../lexical/settings.ts'
import type { LexicalSettings } from '../lexical/settings.ts'

export const CLEANER: LexicalSettings = { ...LEXICAL, width: 64, rowsSeen: 60_000, epochsMin: 5, epochsMax: 20 }
