// The kinds of models: how each turns texts into a distribution over the label set. Everything else about serving is
// shared.
import { openEncoderKind, openStackKind } from './encoder-kinds.ts'
import { importedBatches } from './imported-feeds.ts'
import { lexicalBatches } from './lexical-feeds.ts'
import { oneGraph } from './open-kind.ts'
import { pairBatches } from './pair-feeds.ts'
import { openPairStackKind } from './pair-stack-kind.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { KindParts, Open, OpenKind } from './open-kind.ts'

const KINDS: Readonly<Record<Manifest['kind'], Open>> = {
  lexical: oneGraph(lexicalBatches),
  pair: oneGraph(pairBatches),
  encoder: openEncoderKind,
  stack: openStackKind,
  'pair-stack': openPairStackKind,
  imported: oneGraph(importedBatches),
}

/** Throws SluiceError SL501 where the folder was made for another version of the kind's features. */
export function openKind(folder: KindParts): Promise<OpenKind> {
  return KINDS[folder.manifest.kind](folder)
}
