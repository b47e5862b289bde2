// What training needs of an encoder: its files from the cache folder, the vectors of all texts (known ones from disk),
// and how fast it is here.
import { vectorsFile } from '../adapters/files/encoder-store.ts'
import { rememberingEncoder } from '../adapters/files/vectors.ts'
import { startEncoder } from '../adapters/onnx/encoder-pool.ts'
import { sentence } from '../core/text/sentence.ts'
import { SluiceError } from '../core/error.ts'
import type { EncoderFiles } from '../ports/encoder.ts'
import type { Examples } from '../learn/examples.ts'
import type { TrainJob } from './train.ts'

/** Option of the kinds that stand on an encoder. */
export const ENCODER_OPTION = {
  encoder: { value: 'NAME', says: 'a pulled encoder, see `sluice models list`', default: 'minilm' },
} as const

export interface Encoded {
  /** [examples × dims] */
  readonly vectors: Float32Array
  /** On all cores, measured now. */
  readonly perSecond: number
}

const SPEED_TEXTS = 256

/** Throws SL104 where the encoder does not suit, SL501 where it fails; the signal's reason when aborted. */
export async function encodeAll(
  files: EncoderFiles,
  data: Examples,
  { view, signal }: TrainJob,
  { remembered = true } = {},
): Promise<Encoded> {
  const { dims, name } = files.settings
  if (dims % 32 !== 0)
    throw new SluiceError(
      'SL104',
      `encoder ${name} gives vectors of ${dims} numbers; this kind needs a multiple of 32: take another one, or --kind transformer`,
    )
  const texts = data.examples.map(({ texts }) => sentence(texts))
  const pool = await startEncoder(files, { workers: 0 })
  const encoder = remembered ? await rememberingEncoder(pool, vectorsFile(files)) : pool
  try {
    const vectors = await encoder.encode(texts, {
      signal,
      onDone: (done) => view.update(`vectors of ${name}`, done, texts.length, `${done} texts`),
    })
    const step = Math.max(1, Math.floor(texts.length / SPEED_TEXTS))
    const some = texts.filter((_, at) => at % step === 0).slice(0, SPEED_TEXTS)
    const started = performance.now()
    await pool.encode(some, { signal, onDone: () => {} })
    return { vectors, perSecond: some.length / ((performance.now() - started) / 1000) }
  } finally {
    await encoder.close()
  }
}
