import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { random } from '../../../src/core/random.ts'
import { tokenFeeds } from '../../../src/learn/transformer/batches.ts'
import { TUNING } from '../../../src/learn/transformer/settings.ts'
import { tuneEncoder } from '../../../src/learn/transformer/tune.ts'
import { tinyBert } from '../../support/bert.ts'
import type { TokenRow } from '../../../src/learn/transformer/fit.ts'
import type { GraphSpec } from '../../../src/ports/graph.ts'

const WIDTH = 16

/** Texts of made-up words: class 1 where the first word is one of the first four. */
function texts(count: number, seed: number): TokenRow[] {
  const next = random(seed)
  const word = () => 4 + Math.floor(next() * 8)
  return Array.from({ length: count }, () => {
    const begin = word()
    const ids = Int32Array.of(1, begin, word(), word(), 2)
    return { ids, second: ids.length, label: begin < 8 ? 1 : 0, weight: 1 }
  })
}

/** Mean vector of each text's tokens; all texts are of one length. */
async function vectors(encoder: GraphSpec, rows: readonly TokenRow[]): Promise<number[][]> {
  const compiled = await runtime.compile(runtime.serialise(encoder), { threads: 1 })
  const feeds = tokenFeeds(rows)
  const [output] = Object.values(
    await compiled.run(Object.fromEntries(compiled.inputs.map((name) => [name, feeds[name]!]))),
  )
  await compiled.close()
  const length = rows[0]!.ids.length
  assert.deepEqual(output!.dims, [rows.length, length, WIDTH])
  const values = output!.data as Float32Array
  return rows.map((_, row) =>
    Array.from({ length: WIDTH }, (_, k) =>
      Array.from({ length }, (_, at) => values[(row * length + at) * WIDTH + k]!).reduce((a, b) => a + b / length, 0),
    ),
  )
}

/** Share of texts that lie nearer to the middle of their own class than to that of the other. */
async function nearOwn(encoder: GraphSpec, rows: readonly TokenRow[]): Promise<number> {
  const all = await vectors(encoder, rows)
  const middles = [0, 1].map((label) => {
    const own = all.filter((_, row) => rows[row]!.label === label)
    return own[0]!.map((_, k) => own.reduce((sum, vector) => sum + vector[k]! / own.length, 0))
  })
  const distance = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, k) => sum + (x - b[k]!) ** 2, 0)
  const right = all.filter((vector, row) => {
    const { label } = rows[row]!
    return distance(vector, middles[label]!) < distance(vector, middles[1 - label]!)
  })
  return right.length / rows.length
}

describe('an encoder that is tuned for a task', () => {
  it('is an encoder still, and parts texts that it never saw by their class', async () => {
    const encoder = tinyBert()
    const held = texts(200, 2)
    const settings = { ...TUNING, threads: 1, seed: 3, learningRate: 5e-3, classifierPace: 2, epochs: 6, dropout: 0 }
    const tuned = await tuneEncoder(encoder, { training: texts(640, 1), validation: held, classes: 2 }, settings, {
      runtime,
      signal: new AbortController().signal,
      onStep: () => {},
      onEpoch: () => {},
    })
    const [before, after] = [await nearOwn(encoder, held), await nearOwn(tuned.graph, held)]
    assert.ok(before < 0.9 && after > 0.97, `${before} before, ${after} after`)
    assert.ok(Object.keys(tuned.graph.initializers).every((name) => !name.startsWith('classifier')))
  })
})
