// A frozen transformer as an encoder: tokens, batches of about equal length, pooling, length one. Runs inside a thread.
// Any exported graph with input_ids and attention_mask (token_type_ids where it has them) that gives a vector a token,
// or a vector a text, will do. Never changes a weight.
import { SluiceError } from '../../core/error.ts'
import { runtime } from './runtime.ts'
import { openTokenizer } from './tokenizer.ts'
import type { EncoderSettings } from '../../ports/encoder.ts'
import type { Tensor } from '../../ports/graph.ts'

/** Measured by bench/encoder.ts: more rows a batch gain nothing on a CPU, and padding costs. */
const BATCH_ROWS = 32
const BATCH_TOKENS = 1024

/** Vectors of the texts at these positions, [rows.length × dims]. */
export interface Vectors {
  readonly rows: Int32Array
  readonly values: Float32Array
}

export interface OpenEncoder {
  /** Together the batches hold each text once, in any order. Throws SluiceError SL501 on an answer of another shape. */
  vectors(texts: readonly string[]): AsyncIterable<Vectors>
}

/** Throws SluiceError SL501 where the graph or the tokenizer cannot be read. */
export async function openEncoder(
  settings: EncoderSettings,
  graph: Uint8Array,
  tokenizer: Uint8Array,
): Promise<OpenEncoder> {
  const tokenize = openTokenizer(tokenizer, settings.tokensMax)
  const compiled = await runtime.compile(graph, { threads: 1 }).catch((error: unknown) => {
    throw new SluiceError('SL501', `encoder ${settings.name}: no ONNX graph that runs: ${(error as Error).message}`, {
      cause: error,
    })
  })
  const feedsOf = (batch: TokenBatch) =>
    Object.fromEntries(Object.entries(batch.feeds).filter(([name]) => compiled.inputs.includes(name)))
  return {
    async *vectors(texts) {
      for (const batch of tokenBatches(texts.map((text) => tokenize(settings.prefix + text)))) {
        const outputs = await compiled.run(feedsOf(batch))
        yield { rows: batch.rows, values: pooled(Object.values(outputs), batch, settings) }
      }
    },
  }
}

export interface TokenBatch {
  readonly rows: Int32Array
  /** input_ids, attention_mask, token_type_ids: int64 [rows × width]. */
  readonly feeds: Readonly<Record<string, Tensor>>
  readonly width: number
  /** Tokens of each row; the rest of it is padding. */
  readonly lengths: Int32Array
}

/** Sorted by length, so that little is padded. */
export function* tokenBatches(tokens: readonly Int32Array[]): Generator<TokenBatch> {
  const order = Int32Array.from(tokens, (_, row) => row).sort((a, b) => tokens[a]!.length - tokens[b]!.length)
  for (let from = 0; from < order.length;) {
    let to = from + 1
    while (to < order.length && to - from < BATCH_ROWS && tokens[order[to]!]!.length * (to - from + 1) <= BATCH_TOKENS)
      to++
    const rows = order.subarray(from, to)
    const lengths = Int32Array.from(rows, (row) => tokens[row]!.length)
    const width = Math.max(1, lengths.at(-1)!)
    const ids = new BigInt64Array(rows.length * width)
    const mask = new BigInt64Array(ids.length)
    rows.forEach((row, at) => {
      tokens[row]!.forEach((id, position) => (ids[at * width + position] = BigInt(id)))
      mask.fill(1n, at * width, at * width + lengths[at]!)
    })
    const tensor = (data: BigInt64Array): Tensor => ({ dtype: 'int64', dims: [rows.length, width], data })
    const feeds = {
      input_ids: tensor(ids),
      attention_mask: tensor(mask),
      token_type_ids: tensor(new BigInt64Array(ids.length)),
    }
    yield { rows, feeds, width, lengths }
    from = to
  }
}

/** One vector a text from what the graph gave: [rows × width × dims], or [rows × dims] where it pools itself. */
function pooled(outputs: readonly Tensor[], batch: TokenBatch, settings: EncoderSettings): Float32Array {
  const { width, lengths } = batch
  const { dims, pooling, normalise, name } = settings
  const rows = lengths.length
  const perToken = outputs.find((output) => fits(output, [rows, width, dims]))
  const perText = outputs.find((output) => fits(output, [rows, dims]))
  const from = perToken ?? perText
  if (from === undefined) {
    const shapes = outputs.map((output) => `[${output.dims.join(' × ')}]`).join(' and ')
    throw new SluiceError(
      'SL501',
      `encoder ${name}: gives ${shapes} for ${rows} texts of ${width} tokens; vectors of ${dims} numbers were promised`,
    )
  }
  const values = from.data as Float32Array
  const out = new Float32Array(rows * dims)
  for (let row = 0; row < rows; row++) {
    const tokens = perToken === undefined || pooling === 'cls' ? 1 : lengths[row]!
    const first = row * (perToken === undefined ? 1 : width)
    const own = out.subarray(row * dims, (row + 1) * dims)
    for (let at = first * dims; at < (first + tokens) * dims; at += dims)
      for (let k = 0; k < dims; k++) own[k]! += values[at + k]!
    let scale = 1 / Math.max(tokens, 1)
    if (normalise) {
      let squares = 0
      for (let k = 0; k < dims; k++) squares += own[k]! ** 2
      scale = 1 / Math.max(Math.sqrt(squares), 1e-12)
    }
    for (let k = 0; k < dims; k++) own[k]! *= scale
  }
  return out
}

function fits({ dtype, dims }: Tensor, wanted: readonly number[]): boolean {
  return dtype === 'float32' && dims.length === wanted.length && dims.every((size, axis) => size === wanted[axis])
}
