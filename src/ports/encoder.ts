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
