// Logits of rows that a model has never seen: one fit on the rows kept, logits of the rows held out. What
// cross-validation and cleaning need of a lexical model, and nothing else; writes no model.
import { vocabulary as vocabularyOf } from './batches.ts'
import { fit } from './fit.ts'
import { epochsFor } from './settings.ts'
import { levelLogits } from './validate.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { FitTools } from './fit.ts'
import type { LexicalSettings } from './settings.ts'
import type { Held } from './validate.ts'

/** Uncalibrated. Throws SL503 where the loss is not finite, the signal's reason when aborted. */
export async function heldLogits(
  kept: Held,
  held: Held,
  tree: Tree,
  seed: number,
  settings: LexicalSettings,
  tools: Omit<FitTools, 'after'>,
): Promise<LevelLogits> {
  const epochs = epochsFor(kept.examples.length, settings)
  const vocabulary = vocabularyOf(kept.examples, settings.features, settings.idfPower)
  const weights = await fit({ ...kept, tree, vocabulary, epochs, seed, settings }, { ...tools, after: () => true })
  return levelLogits(held, weights, tree, vocabulary, settings)
}
