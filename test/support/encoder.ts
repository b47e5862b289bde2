// A made-up encoder for tests: a WordPiece tokenizer.json of the made-up shop's words, and a graph that gives each token
// a fixed vector and mixes it with its neighbours' mean. Small enough to be written by the test.
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import { random } from '../../src/core/random.ts'
import { bertTokenizer } from './wordpiece.ts'
import type { EncoderFiles, EncoderSettings } from '../../src/ports/encoder.ts'
import type { GraphSpec } from '../../src/ports/graph.ts'

const WORDS =
  'green tea earl grey bags masala chai peppermint infusion orange juice apple nectar mango drink cranberry desk lamp ' +
  'led night light floor bulb e ##27 bath towel cotton hand set beach pack of premium family size blue organic new classic value no'
const PIECES = [...'abcdefghijklmnopqrstuvwxyz0123456789'].flatMap((letter) => [letter, `##${letter}`])
const VOCAB = [...new Set(['[PAD]', '[UNK]', '[CLS]', '[SEP]', ...WORDS.split(' '), ...PIECES, 'é', '日', '本'])]

export const TOKENIZER = bertTokenizer(Object.fromEntries(VOCAB.map((piece, id) => [piece, id])))

export const TINY: EncoderSettings = {
  name: 'tiny',
  prefix: '',
  pooling: 'mean',
  dims: 32,
  tokensMax: 16,
  normalise: true,
}

/** Each token's vector plus half the mean of its text's: [B, S, dims]. */
export function tinyGraph(dims = TINY.dims): GraphSpec {
  const next = random(7)
  const table = Float32Array.from({ length: VOCAB.length * dims }, () => next() - 0.5)
  const ints = (value: bigint) => ({ dtype: 'int64', dims: [1], data: new BigInt64Array([value]) }) as const
  return {
    name: 'tiny',
    inputs: [
      { name: 'input_ids', dtype: 'int64', dims: ['B', 'S'] },
      { name: 'attention_mask', dtype: 'int64', dims: ['B', 'S'] },
    ],
    outputs: [{ name: 'last_hidden_state', dtype: 'float32', dims: ['B', 'S', dims] }],
    initializers: {
      table: { dtype: 'float32', dims: [VOCAB.length, dims], data: table },
      half: { dtype: 'float32', dims: [], data: new Float32Array([0.5]) },
      one: ints(1n),
      two: ints(2n),
    },
    nodes: [
      { op: 'Gather', inputs: ['table', 'input_ids'], outputs: ['tokens'] },
      { op: 'Cast', inputs: ['attention_mask'], outputs: ['there'], attributes: { to: 1 } },
      { op: 'Unsqueeze', inputs: ['there', 'two'], outputs: ['mask'] },
      { op: 'Mul', inputs: ['tokens', 'mask'], outputs: ['seen'] },
      { op: 'ReduceSum', inputs: ['seen', 'one'], outputs: ['sum'] },
      { op: 'ReduceSum', inputs: ['mask', 'one'], outputs: ['count'] },
      { op: 'Div', inputs: ['sum', 'count'], outputs: ['mean'] },
      { op: 'Mul', inputs: ['mean', 'half'], outputs: ['shared'] },
      { op: 'Add', inputs: ['tokens', 'shared'], outputs: ['last_hidden_state'] },
    ],
  }
}

export function tinyEncoder(settings: Partial<EncoderSettings> = {}, graph = tinyGraph()): EncoderFiles {
  return {
    settings: { ...TINY, ...settings },
    graph: runtime.serialise(graph),
    tokenizer: new TextEncoder().encode(JSON.stringify(TOKENIZER)),
  }
}
