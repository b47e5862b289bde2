// Exported classifiers with their own tokenizer: a text, or a pair of texts, → token ids, cut into batches of about equal
// length. Runs inside a worker. Texts are normalised like everywhere else, so a cased model reads small letters.
import { normalise } from '../../core/text/normalise.ts'
import { sentence } from '../../core/text/sentence.ts'
import { SluiceError } from '../../core/error.ts'
import { tokenBatches } from './encoder.ts'
import { partOf } from './open-kind.ts'
import { openPairTokenizer } from './tokenizer.ts'
import type { ImportedFeatures, Manifest, ModelFolder } from '../../ports/manifest.ts'
import type { Batches } from './open-kind.ts'

export const IMPORTED_VERSION = 1

/** Throws SluiceError SL501 where the folder has no tokenizer that can be read. */
export function importedBatches({ features }: Manifest, parts: ModelFolder['parts']): Batches {
  if (features.version !== IMPORTED_VERSION)
    throw new SluiceError('SL501', `made with token features version ${features.version}; this is ${IMPORTED_VERSION}`)
  return tokenizedBatches(features as unknown as ImportedFeatures, parts)
}

/** Throws SluiceError SL501 where the folder has no tokenizer that can be read. */
export function tokenizedBatches(
  { tokensMax, pair, types, texts }: Omit<ImportedFeatures, 'version'>,
  parts: ModelFolder['parts'],
): Batches {
  const tokenize = openPairTokenizer(partOf({ parts }, 'tokenizer.json'), tokensMax)
  return function* batches(inputs) {
    const tokens = inputs.map((all) => {
      const read = all.slice(0, texts)
      return pair ? tokenize(normalise(read[0] ?? ''), sentence(read.slice(1))) : tokenize(sentence(read))
    })
    for (const { rows, feeds, width } of tokenBatches(tokens.map(({ ids }) => ids))) {
      const { token_type_ids: type, ...others } = feeds
      rows.forEach((row, at) => {
        const { ids, second } = tokens[row]!
        ;(type!.data as BigInt64Array).fill(1n, at * width + second, at * width + ids.length)
      })
      yield { rows, feeds: types ? { ...others, token_type_ids: type! } : others }
    }
  }
}
