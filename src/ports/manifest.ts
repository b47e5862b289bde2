// What a model folder says about its model.onnx. The digest of these bytes names the model.
// Only facts that serving or checking needs, and where the model came from; never rows of the data.
import type { Certificate } from '../core/calibration/certificate.ts'
import type { Isotonic } from '../core/calibration/isotonic.ts'
import type { NearnessWeights } from '../core/calibration/nearness.ts'
import type { EncoderSettings } from './encoder.ts'

export interface Part {
  /** Hex. */
  readonly sha256: string
  readonly bytes: number
}

export interface Manifest {
  readonly format: 1
  /**
   * lexical: texts → hashed features → model.onnx. pair: three texts → lexicon.bin → model.onnx. encoder: texts →
   * encoder.onnx with tokenizer.json → vectors → model.onnx. stack: lexical first, encoder where that is not sure.
   * pair-stack: pair.onnx as `pair` first, where that is not sure model.onnx: the pair → tokenizer.json, and what was said.
   * imported: a text or a pair → tokenizer.json → model.onnx, an exported classifier.
   */
  readonly kind: 'lexical' | 'pair' | 'encoder' | 'stack' | 'pair-stack' | 'imported'
  readonly model: Part
  /** Further files by name, that the kind needs to turn texts into inputs or the calibration for the titles that it asks. */
  readonly parts: Readonly<Record<string, Part>>
  /** Digest of labels.json's paths, see `LabelSet`; outputs of the model are in their order. */
  readonly labels: { readonly digest: string; readonly levels: number; readonly paths: number }
  /** Names of the texts the model reads, in order. */
  readonly segments: readonly string[]
  /** NORMALISER_VERSION of the training. */
  readonly normaliser: number
  /** How texts become inputs; every kind its own, always with a `version`. */
  readonly features: Readonly<Record<string, number>> & { readonly version: number }
  /** How encoder.onnx is used, where the kind has one. */
  readonly encoder?: EncoderSettings | undefined
  /** A stack asks further where lexical.onnx (pair.onnx) gives its best path less than this. */
  readonly ask?: number | undefined
  /** Per level, l1 first; already folded into model.onnx. */
  readonly temperatures: readonly number[]
  /** Per level, l1 first: where the gate stands unless the task says otherwise. */
  readonly thresholds: readonly number[]
  /** What the thresholds promise, and on which rows that was certified. */
  readonly certificate?: (Certificate & { readonly data: Manifest['data'] }) | undefined
  /** How probabilities were calibrated beyond temperatures, by training or by `sluice calibrate`. */
  readonly calibration?: ManifestCalibration | undefined
  /**
   * Added to the log-probability of each path when choosing the answer, where the kind decides against the prior: the
   * same for all, or a row a source of the training, which the graph joins by its output `factors`.
   */
  readonly offsets?: readonly number[] | readonly (readonly number[])[] | undefined
  /** Names and counts of what it was trained on. */
  readonly data: readonly { readonly file: string; readonly rows: number; readonly sha256: string }[]
  /** Texts (not from the data) with the probabilities [paths] that the model gave when it was exported. */
  readonly golden: readonly { readonly texts: readonly string[]; readonly probabilities: readonly number[] }[]
}

/** How an imported model reads: `features` of its manifest. */
export interface ImportedFeatures {
  readonly version: number
  /** Longer texts are cut. */
  readonly tokensMax: number
  /** 1: the first segment and the rest are two texts; 0: all are one. */
  readonly pair: number
  /** 1: the graph has token_type_ids. */
  readonly types: number
  /** Segments that it reads; further ones are left out. */
  readonly texts: number
}

export interface ManifestCalibration {
  readonly method: 'temperature' | 'isotonic' | 'vector' | 'nearest'
  /** Per level, l1 first: what an answer's probabilities go through before they leave the model. */
  readonly isotonic?: readonly Isotonic[] | undefined
  /** Per level, before that: how they are joined with how near the titles of nearest.bin lie. */
  readonly nearest?: readonly NearnessWeights[] | undefined
  /** The golden answers of the model as it was trained, where model.onnx was changed. */
  readonly golden?: Manifest['golden'] | undefined
}

/** A model folder that was read and checked against its manifest. */
export interface ModelFolder {
  readonly dir: string
  readonly manifest: Manifest
  /** 16 hex digits over the manifest. */
  readonly digest: string
  readonly model: Uint8Array
  /** Bytes of the manifest's `parts`. */
  readonly parts: Readonly<Record<string, Uint8Array>>
  readonly labelPaths: readonly (readonly string[])[]
}
