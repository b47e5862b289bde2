import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { random } from '../../../src/core/random.ts'
import { GraphBuilder } from '../../../src/learn/graph-builder.ts'
import { exported, inBytes } from '../../../src/learn/transformer/export.ts'
import { type Fitted, type TokenRow, fitTransformer } from '../../../src/learn/transformer/fit.ts'
import { foldConstants } from '../../../src/learn/transformer/fold.ts'
import { TRANSFORMER, type TransformerSettings } from '../../../src/learn/transformer/settings.ts'
import { tokenFeeds } from '../../../src/learn/transformer/batches.ts'
import { tinyBert } from '../../support/bert.ts'
import type { GraphSpec, Tensor } from '../../../src/ports/graph.ts'

const SETTINGS = { ...TRANSFORMER, threads: 1, seed: 3, learningRate: 1e-2, epochs: 8, dropout: 0, tokensMax: 12 }

/** Pairs of made-up words: class 1 where the second text begins with one of the first four. */
function pairs(count: number, seed: number): TokenRow[] {
  const next = random(seed)
  const word = () => 4 + Math.floor(next() * 8)
  return Array.from({ length: count }, () => {
    const begin = word()
    const tail = Array.from({ length: Math.floor(next() * 4) }, word)
    const ids = Int32Array.of(1, word(), 2, begin, ...tail, 2)
    return { ids, second: 3, label: begin < 8 ? 1 : 0, weight: 1 }
  })
}

function fit(
  encoder: GraphSpec,
  change: Partial<TransformerSettings & { seed: number }> = {},
  training: readonly TokenRow[] = pairs(640, 1),
): Promise<Fitted> {
  const data = { training, validation: pairs(200, 2), classes: 2 }
  const signal = new AbortController().signal
  return fitTransformer(
    encoder,
    data,
    { ...SETTINGS, ...change },
    { runtime, signal, onStep: () => {}, onEpoch: () => {} },
  )
}

const rightShare = (values: ArrayLike<number>, rows: readonly TokenRow[]) =>
  rows.filter(({ label }, row) => values[2 * row + label]! > values[2 * row + 1 - label]!).length / rows.length

async function answer(spec: GraphSpec, rows: readonly TokenRow[]): Promise<Tensor> {
  const compiled = await runtime.compile(runtime.serialise(spec), { threads: 1 })
  const feeds = tokenFeeds(rows)
  const { probabilities } = await compiled.run(Object.fromEntries(compiled.inputs.map((name) => [name, feeds[name]!])))
  await compiled.close()
  return probabilities!
}

describe('fine-tuning a transformer end to end', () => {
  const encoder = tinyBert()

  it('learns which pairs belong together, and the exported graph, in bytes too, answers as it does', async () => {
    const fitted = await fit(encoder)
    const held = pairs(200, 2)
    assert.ok(rightShare(fitted.logits, held) >= 0.95, String(rightShare(fitted.logits, held)))
    const spec = exported(encoder, fitted, { classes: 2, temperature: 1 })
    const whole = await answer(spec, held)
    assert.ok(rightShare(whole.data as Float32Array, held) === rightShare(fitted.logits, held))
    const small = inBytes(spec)
    const floats = Object.values(small.initializers).filter(
      ({ dtype, dims }) => dtype === 'float32' && dims[0]! > 1 && dims[1]! > 1,
    )
    assert.deepEqual(
      floats.map(({ data }) => data.length).filter((size) => size >= 256),
      [],
    )
    const bytes = await answer(small, held)
    const gap = (whole.data as Float32Array).reduce(
      (most, value, at) => Math.max(most, Math.abs(value - Number(bytes.data[at]))),
      0,
    )
    assert.ok(gap > 0 && gap < 0.1, String(gap))
  })

  it('moves every weight, and of a table only the rows that were read', async () => {
    const { weights } = await fit(encoder, { epochs: 1 })
    const unmoved = Object.keys(weights).filter((name) => {
      const before = encoder.initializers[name]?.data
      return before !== undefined && weights[name]!.data.every((value, at) => value === before[at])
    })
    assert.deepEqual(unmoved, [])
    const row = (number: number) =>
      Array.from(weights['words']!.data.subarray(16 * number, 16 * number + 16) as Float32Array)
    const was = (number: number) =>
      Array.from(encoder.initializers['words']!.data.subarray(16 * number, 16 * number + 16) as Float32Array)
    assert.notDeepEqual(row(5), was(5))
    assert.deepEqual(row(39), was(39))
  })

  it('gives the same weights for the same seed, others for another', async () => {
    const once = await fit(encoder, { epochs: 1, dropout: 0.1 })
    const again = await fit(encoder, { epochs: 1, dropout: 0.1 })
    const other = await fit(encoder, { epochs: 1, dropout: 0.1, seed: 4 })
    assert.deepEqual(once.weights, again.weights)
    assert.notDeepEqual(once.weights, other.weights)
  })

  it('trains adapters alone where a rank is given, and the export has them in its weights', async () => {
    const wide = tinyBert({ width: 32 })
    const fitted = await fit(wide, { rank: 4, learningRate: 1e-2, epochs: 8 })
    const held = pairs(200, 2)
    assert.ok(Object.keys(fitted.weights).every((name) => /lora|classifier/.test(name)))
    assert.ok(rightShare(fitted.logits, held) >= 0.9, String(rightShare(fitted.logits, held)))
    const spec = exported(wide, fitted, { classes: 2, temperature: 1 })
    assert.ok(Object.keys(spec.initializers).every((name) => !name.includes('lora')))
    assert.equal(rightShare((await answer(spec, held)).data as Float32Array, held), rightShare(fitted.logits, held))
  })

  it('trains weights that the file keeps as bytes', async () => {
    const folded = await foldConstants(runtime, tinyBert({ bytes: true }))
    assert.ok(Object.values(folded.initializers).every(({ dtype }) => dtype !== 'int8'))
    assert.ok(rightShare((await fit(folded)).logits, pairs(200, 2)) >= 0.95)
  })

  it('makes floats of weights of four bits, which a vendor’s operator multiplies', async () => {
    const next = random(9)
    const graph = new GraphBuilder('four bits')
    const bytes = Uint8Array.from({ length: 3 * 16 }, () => Math.floor(next() * 256))
    const packed = graph.tensor('w', { dtype: 'uint8', dims: [3, 1, 16], data: bytes })
    const scales = graph.tensor('s', { dtype: 'float32', dims: [3], data: Float32Array.of(0.5, 1, 2) })
    const attributes = { K: 32, N: 3, bits: 4, block_size: 32 }
    const x = graph.input('x', ['rows', 32])
    graph.output('y', graph.op('MatMulNBits', [x, packed, scales], attributes, { domain: 'com.microsoft' }), [
      'rows',
      3,
    ])
    const folded = await foldConstants(runtime, graph.spec())
    assert.deepEqual(
      folded.nodes.map(({ op }) => op),
      ['MatMul', 'Identity'],
    )
    const feeds = {
      x: { dtype: 'float32', dims: [2, 32], data: Float32Array.from({ length: 64 }, () => next() - 0.5) },
    } as const
    const [before, after] = await Promise.all(
      [graph.spec(), folded].map(async (spec) => {
        const compiled = await runtime.compile(runtime.serialise(spec), { threads: 1 })
        const { y } = await compiled.run(feeds)
        await compiled.close()
        return y!.data as Float32Array
      }),
    )
    before!.forEach((value, at) => assert.ok(Math.abs(value - after![at]!) < 1e-4 && value !== 0))
  })

  it('needs no token types', async () => {
    assert.ok((await fit(tinyBert({ types: false }), { epochs: 1 })).steps > 0)
  })

  it('stops with SL503 where the loss is not finite', async () => {
    await assert.rejects(
      fit(encoder, { learningRate: 1e30 }),
      (error) => error instanceof SluiceError && error.code === 'SL503' && /not finite|loss is/.test(error.message),
    )
  })

  it('keeps the best epoch, whatever the later ones make of it', async () => {
    const noise = pairs(64, 1).map((row, at) => ({ ...row, label: at % 2 }))
    const { epochs, steps } = await fit(encoder, { epochs: 40, learningRate: 1e-2 }, noise)
    assert.ok(epochs < 40 && steps === 80, `${epochs} epochs, ${steps} steps`)
  })
})
