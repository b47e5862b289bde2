// What the manifest of an imported classifier says of how it reads, whoever exported it.
import { IMPORTED_VERSION } from '../adapters/onnx/imported-feeds.ts'
import { NORMALISER_VERSION } from '../core/text/normalise.ts'

/** Query and title: descriptions are long and say little. */
const PAIR_TEXTS = 2

export interface ImportedReading {
  readonly segments: readonly string[]
  readonly pair: boolean
  readonly tokensMax: number
  /** Whether the graph has token_type_ids. */
  readonly types: boolean
}

export function importedManifest({ segments, pair, tokensMax, types }: ImportedReading) {
  return {
    format: 1 as const,
    kind: 'imported' as const,
    segments,
    normaliser: NORMALISER_VERSION,
    features: {
      version: IMPORTED_VERSION,
      tokensMax,
      pair: Number(pair),
      types: Number(types),
      texts: pair ? Math.min(PAIR_TEXTS, segments.length) : segments.length,
    },
  }
}
