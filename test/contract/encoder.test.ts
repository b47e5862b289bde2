import assert from 'node:assert/strict'
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { rememberingEncoder } from '../../src/adapters/files/vectors.ts'
import { openEncoder } from '../../src/adapters/onnx/encoder.ts'
import { startEncoder } from '../../src/adapters/onnx/encoder-pool.ts'
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import { SluiceError } from '../../src/core/error.ts'
import { TINY, tinyEncoder, tinyGraph } from '../support/encoder.ts'
import { shopRows } from '../support/lexical.ts'
import type { Encoder, EncoderFiles } from '../../src/ports/encoder.ts'

const QUIET = { signal: new AbortController().signal, onDone: () => {} }
const titles = shopRows(400).map(({ title }) => title)

const row = (vectors: Float32Array, at: number) => vectors.subarray(at * TINY.dims, (at + 1) * TINY.dims)
const near = (a: Float32Array, b: Float32Array, by = 1e-5) => a.every((value, k) => Math.abs(value - b[k]!) <= by)

/** The vector of one text, without a pool. */
async function inProcess({ settings, graph, tokenizer }: EncoderFiles, text: string): Promise<Float32Array> {
  const encoder = await openEncoder(settings, graph, tokenizer)
  for await (const { values } of encoder.vectors([text])) return values
  assert.fail('no vector')
}

describe('the encoder port on a pool of threads', () => {
  let encoder: Encoder
  before(async () => {
    encoder = await startEncoder(tinyEncoder(), { workers: 2 })
  })
  after(() => encoder.close())

  it('gives each text its vector in its place, alone as among many', async () => {
    const together = await encoder.encode(titles, QUIET)
    assert.equal(together.length, titles.length * TINY.dims)
    for (const at of [0, 57, 399]) assert.ok(near(await encoder.encode([titles[at]!], QUIET), row(together, at)))
    assert.ok(!near(row(together, 0), row(together, 1)))
  })

  it('gives vectors of length one, to empty and hostile texts too', async () => {
    const texts = ['', ' ', '\u0000\u202e', '👩‍👩‍👧‍👦'.repeat(500), 'a'.repeat(5000), '日本 tea']
    const vectors = await encoder.encode(texts, QUIET)
    texts.forEach((text, at) => {
      const length = Math.hypot(...row(vectors, at))
      assert.ok(Math.abs(length - 1) < 1e-5, `${JSON.stringify(text.slice(0, 9))}: ${length}`)
    })
  })

  it('cuts long texts where the entry says, and reads no further', async () => {
    const words = 'tea '.repeat(TINY.tokensMax)
    const [a, b] = [await encoder.encode([words], QUIET), await encoder.encode([`${words} lamp lamp`], QUIET)]
    assert.ok(near(a, b))
  })

  it('says how far it is and stops when told to', async () => {
    const heard: number[] = []
    await encoder.encode(titles, { ...QUIET, onDone: (done) => heard.push(done) })
    assert.equal(heard.at(-1), titles.length)
    const stopped = AbortSignal.abort(new Error('enough'))
    await assert.rejects(encoder.encode(titles, { ...QUIET, signal: stopped }), /enough/)
  })
})

describe('how an encoder is used', () => {
  const vectorOf = (settings: Parameters<typeof tinyEncoder>[0], text: string) => inProcess(tinyEncoder(settings), text)

  it('puts its prefix before every text', async () => {
    assert.ok(near(await vectorOf({ prefix: 'set of ' }, 'tea bags'), await vectorOf({}, 'set of tea bags')))
  })

  it('takes the mean of the tokens or the first of them, scaled to length one or as it is', async () => {
    const [mean, first] = [await vectorOf({}, 'tea bags'), await vectorOf({ pooling: 'cls' }, 'tea bags')]
    assert.ok(!near(mean, first))
    const plain = await vectorOf({ normalise: false }, 'tea bags')
    const length = Math.hypot(...plain)
    assert.ok(Math.abs(length - 1) > 0.1)
    assert.ok(
      near(
        plain.map((value) => value / length),
        mean,
      ),
    )
  })

  it('takes a graph that pools itself', async () => {
    const spec = tinyGraph()
    const pooled = runtime.serialise({
      ...spec,
      outputs: [{ name: 'embedding', dtype: 'float32', dims: ['B', TINY.dims] }],
      nodes: [...spec.nodes, { op: 'Squeeze', inputs: ['mean', 'one'], outputs: ['embedding'] }],
    })
    const vector = await inProcess({ ...tinyEncoder(), graph: pooled }, 'tea bags')
    assert.ok(near(vector, await vectorOf({}, 'tea bags')), 'the mean of all tokens points the same way')
  })
})

describe('an encoder that is not what it should be', () => {
  const files = tinyEncoder()
  const text = (value: string) => new TextEncoder().encode(value)
  const wrong: Record<string, { files: typeof files; says: RegExp }> = {
    'whose graph is damaged': {
      files: { ...files, graph: files.graph.slice(0, 500) },
      says: /encoder tiny: no ONNX graph that runs/,
    },
    'whose vectors have another length than its entry says': {
      files: { ...files, graph: runtime.serialise(tinyGraph(64)) },
      says: /encoder tiny: gives \[1 × \d+ × 64\].*vectors of 32 numbers were promised/,
    },
    'whose tokenizer is missing': { files: { ...files, tokenizer: text('') }, says: /tokenizer\.json: no tokenizer/ },
    'whose tokenizer is another JSON': { files: { ...files, tokenizer: text('{"a":1}') }, says: /tokenizer\.json/ },
    'that leaves no room for a text': { files: tinyEncoder({ tokensMax: 2 }), says: /2 tokens leave no room/ },
  }
  for (const [how, { files: given, says }] of Object.entries(wrong))
    it(`${how} is refused by name`, async () => {
      await assert.rejects(
        inProcess(given, 'tea'),
        (error: unknown) => error instanceof SluiceError && error.code === 'SL501' && says.test(error.message),
      )
    })

  it('is refused by the pool in the same words', async () => {
    const given = { ...files, tokenizer: text('') }
    await assert.rejects(startEncoder(given, { workers: 1 }), /tokenizer\.json: no tokenizer/)
  })
})

describe('an encoder with its vectors on disk', () => {
  let dir: string
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-vectors-'))
  })
  after(() => rm(dir, { recursive: true, force: true }))

  /** Counts what it is asked. */
  function counting() {
    const asked: string[] = []
    const encoder: Encoder = {
      dims: 2,
      async encode(texts) {
        asked.push(...texts)
        return Float32Array.from(texts.flatMap((text) => [text.length / 16, -0.5]))
      },
      async close() {},
    }
    return { asked, encoder }
  }

  it('computes no vector twice: not in a call, not in the next, not in the next process', async () => {
    const file = join(dir, 'once.f16')
    const first = counting()
    const encoder = await rememberingEncoder(first.encoder, file)
    const vectors = await encoder.encode(['aa', 'b', 'aa', ''], QUIET)
    assert.deepEqual([...vectors], [0.125, -0.5, 0.0625, -0.5, 0.125, -0.5, 0, -0.5])
    await encoder.encode(['b', 'ccc'], QUIET)
    await encoder.close()
    assert.deepEqual(first.asked.toSorted(), ['', 'aa', 'b', 'ccc'])

    const second = counting()
    const again = await rememberingEncoder(second.encoder, file)
    assert.deepEqual([...(await again.encode(['ccc', 'aa'], QUIET))], [0.1875, -0.5, 0.125, -0.5])
    await again.close()
    assert.deepEqual(second.asked, [])
  })

  it('loses at most what was being written when it was killed', async () => {
    const file = join(dir, 'torn.f16')
    const { encoder } = counting()
    const whole = await rememberingEncoder(encoder, file)
    await whole.encode(['aa', 'b'], QUIET)
    await whole.close()
    const handle = await open(file, 'r+')
    await handle.truncate((await stat(file)).size - 3)
    await handle.close()

    const { asked, encoder: other } = counting()
    const torn = await rememberingEncoder(other, file)
    assert.deepEqual([...(await torn.encode(['aa', 'b', 'dddd'], QUIET))], [0.125, -0.5, 0.0625, -0.5, 0.25, -0.5])
    await torn.close()
    assert.equal(asked.length, 2)
  })
})
