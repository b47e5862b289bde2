// Pair models: (query, title, description) → dense features and hashed ids, cut into batches.
// Runs inside a worker; the lexicon comes from the folder's parts and is checked before anything runs.
import { PAIR_SEGMENTS, PAIR_VERSION, pairEncoder, pairFeeds } from '../../core/pair/encode.ts'
import { unpackLexicon } from '../../core/pair/lexicon.ts'
import { normalise } from '../../core/text/normalise.ts'
import { SluiceError } from '../../core/error.ts'
import type { Manifest, ModelFolder } from '../../ports/manifest.ts'
import type { Batches } from './open-kind.ts'

const BATCH_ROWS = 64

/** Throws SluiceError SL501 where the folder was made for other features or its lexicon cannot be read. */
export function pairBatches({ features }: Manifest, parts: ModelFolder['parts']): Batches {
  if (features.version !== PAIR_VERSION)
    throw new SluiceError('SL501', `made with pair features version ${features.version}; this is ${PAIR_VERSION}`)
  const lexicon = parts['lexicon.bin'] && unpackLexicon(parts['lexicon.bin'])
  if (!lexicon) throw new SluiceError('SL501', 'lexicon.bin is missing or is no lexicon')
  const encode = pairEncoder(lexicon)
  return function* batches(inputs) {
    for (let from = 0; from < inputs.length; from += BATCH_ROWS) {
      const part = inputs.slice(from, from + BATCH_ROWS)
      const encoded = encode(part.map((texts) => texts.slice(0, PAIR_SEGMENTS.length).map(normalise)))
      yield { rows: Int32Array.from(part, (_, row) => from + row), feeds: pairFeeds(encoded) }
    }
  }
}
