import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { readLines } from '../../../src/adapters/files/rows.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { random } from '../../../src/core/random.ts'
import { taxonomyExamples } from '../../../src/learn/examples.ts'
import { split } from '../../../src/learn/lexical/parts.ts'
import { trainLexical } from '../../../src/learn/lexical/train.ts'
import { LEXICAL, heldShare, withFolds } from '../../../src/learn/lexical/settings.ts'
import { SHARED_DATA, SMALL, shopModel, shopRows } from '../../support/lexical.ts'
import type { Row } from '../../../src/learn/examples.ts'
import type { LexicalSettings } from '../../../src/learn/lexical/settings.ts'
import type { TrainTools } from '../../../src/learn/lexical/train.ts'

const rowsOf = (values: readonly unknown[]): Row[] =>
  values.map((value, line) => ({ file: 'f', line: line + 1, value }))
const tools = { runtime, signal: new AbortController().signal, report: () => {} }

const train = async (settings: LexicalSettings, signal = tools.signal) =>
  trainLexical(await taxonomyExamples(rowsOf(shopRows(400))), settings, 1, { ...tools, signal })

describe('lexical training', () => {
  it('learns what words give away, and rounding to eight bits costs nothing', async () => {
    const { validation, thresholds, temperatures } = await train(SMALL)
    assert.ok(validation.rows > 20)
    assert.ok(
      validation.servedAccuracy.every((share) => share > 0.95),
      validation.servedAccuracy.join(),
    )
    assert.equal(thresholds.length, 2)
    assert.equal(temperatures.length, 2)
  })

  it('gives the same bytes for the same seed', async () => {
    assert.deepEqual((await shopModel()).model, (await shopModel()).model)
  })

  it('keeps an index of its titles where these tell right answers from wrong ones and it fits beside the model', async () => {
    const next = random(4)
    // A line of products has one label; what is of no line has any.
    const rows = Array.from({ length: 1200 }, (_, id) => {
      const line = next() < 0.6 ? Math.floor(next() * 60) : undefined
      const label = ['tea', 'juice', 'lamps'][line === undefined ? Math.floor(next() * 3) : line % 3]!
      return { id, title: `${line === undefined ? `a${id}` : `line${line}`} pack no ${id}`, label: [label] }
    })
    const data = await taxonomyExamples(rowsOf(rows))
    const [kept, none] = await Promise.all(
      [SMALL.bytesMax, 0].map((bytesMax) => trainLexical(data, { ...SMALL, bytesMax }, 1, tools)),
    )
    assert.equal(kept!.calibration!.method, 'nearest')
    assert.ok(kept!.calibration!.nearest![0]!.near > 0.1)
    assert.ok(kept!.parts['nearest.bin']!.length > 1200)
    assert.deepEqual(kept!.model, none!.model)
    assert.equal(none!.calibration!.method, 'isotonic')
    assert.deepEqual(none!.parts, {})
  })

  it('does without margins where the tree leaves no room', async () => {
    const { validation, model } = await train({ ...SMALL, columnsMax: 16 })
    assert.ok(model.length < (await train(SMALL)).model.length)
    assert.ok(
      validation.servedAccuracy.every((share) => share > 0.95),
      validation.servedAccuracy.join(),
    )
  })

  it('holds out more parts of little data, each row in one of them', async () => {
    const { validation } = await train({ ...SMALL, validationRows: 150, effort: 75 })
    const data = await taxonomyExamples(rowsOf(shopRows(400)))
    const parts = [0, 1].map((fold) => split(data, SMALL.validationShare, fold).held.rows)
    assert.equal(validation.rows, parts[0]!.length + parts[1]!.length)
    const rows = new Set(parts[0])
    assert.ok(parts[1]!.every((row) => !rows.has(row)))
  })

  it('judges every row by a fit without it where all parts are held out, repeatably', async () => {
    const settings = withFolds({ ...SMALL, effort: 75 }, LEXICAL.foldsMax)
    const [one, two] = [await train(settings), await train(settings)]
    assert.equal(one.validation.rows, 400)
    assert.equal(one.heldProbabilities.length, LEXICAL.foldsMax)
    assert.deepEqual([one.model, one.thresholds], [two.model, two.thresholds])
  })

  it('says SL503 when the loss is not finite', async () => {
    await assert.rejects(train({ ...SMALL, learningRate: 1e38 }), isError('SL503'))
  })

  it('fits all again for fewer epochs where more of them learn noise by heart', async () => {
    const next = random(4)
    const names = ['tea', 'juice', 'lamps', 'rugs']
    const rows = Array.from({ length: 1500 }, (_, id) => {
      const kind = Math.floor(next() * 4)
      const label = names[next() < 0.5 ? Math.floor(next() * 4) : kind]!
      return {
        id,
        title: `word${kind} a${id} b${Math.floor(next() * 900)} c${Math.floor(next() * 900)}`,
        label: [label],
      }
    })
    // A rate that rises to the end, and nothing that holds it back.
    const rising = { warmup: 0.95, learningRate: 0.006, featureDropout: 0, sumDropout: 0, labelSmoothing: 0 }
    const features = { ...SMALL.features, buckets: 65_536 }
    const settings = { ...SMALL, ...rising, features, width: 32, effort: 800 }
    const again: number[] = []
    const seen: { readonly epoch: number; readonly epochs: number }[] = []
    const report: TrainTools['report'] = (said) => {
      if (said.kind === 'again') again.push(said.epochs)
      else if (said.kind === 'epoch') seen.push(said)
    }
    const data = await taxonomyExamples(rowsOf(rows))
    const { epochs, validation } = await trainLexical(data, settings, 1, { ...tools, report })
    const planned = seen[0]!.epochs
    assert.ok(epochs < planned, `${epochs} of ${planned}`)
    assert.deepEqual(again, [epochs])
    const second = seen.slice(seen.findLastIndex(({ epoch }) => epoch === 1))
    assert.deepEqual(
      second,
      second.map((said, at) => ({ ...said, epoch: at + 1, epochs })),
    )
    assert.equal(second.length, epochs)
    assert.ok(validation.rows > 200)
  })

  it('stops the fit of all rows where judging the others fails', async () => {
    const data = await taxonomyExamples(rowsOf(shopRows(400)))
    const compile = () => Promise.reject(new Error('no memory to judge in'))
    const failing = trainLexical(data, SMALL, 1, { ...tools, runtime: { ...runtime, compile } })
    await assert.rejects(failing, /no memory to judge in/)
  })

  it('stops when told to', async () => {
    await assert.rejects(train(SMALL, AbortSignal.abort(new Error('enough'))), /enough/)
  })

  it('never puts equal titles on both sides of the validation split', async () => {
    const rows = shopRows(300)
    const data = await taxonomyExamples(rowsOf([...rows, ...rows]))
    const { kept, held } = split(data, 0.3)
    const titleOf = (row: number) => data.examples[row]!.texts[0]
    const titles = new Set(Array.from(kept.rows, titleOf))
    assert.ok(held.rows.length > 0 && held.rows.every((row) => !titles.has(titleOf(row))))
  })

  it('holds out a share of the rows, but never so many that they fill the memory', () => {
    assert.equal(heldShare(10_000, LEXICAL), LEXICAL.validationShare)
    assert.equal(heldShare(1_000_000, LEXICAL) * 1_000_000, LEXICAL.validationRowsMax)
  })

  const file = join(SHARED_DATA, 'mercadona-es.jsonl.gz')
  it('reads the real data', { skip: existsSync(file) ? false : `${file} is not here` }, async () => {
    const rows: Row[] = []
    for await (const { number, value } of readLines(file)) rows.push({ file, line: number, value })
    const { labels, segments } = await taxonomyExamples(rows)
    assert.equal(labels.levels, 2)
    assert.deepEqual(segments, ['title'])
  })
})

describe('rows that cannot be used', () => {
  const good = shopRows(300)
  const bad: Record<string, unknown> = {
    'no label': { title: 'x' },
    'no title': { title: ' \u200b', label: ['a', 'b'] },
    'uneven depth': { title: 'x', label: ['a'] },
    'a separator in a label': { title: 'x', label: ['a > b', 'c'] },
    'no object': 7,
  }
  for (const [name, row] of Object.entries(bad)) {
    it(`a few with ${name} are left out and counted, with their lines`, async () => {
      const { examples, warnings } = await taxonomyExamples(rowsOf([...good, row]))
      assert.equal(examples.length, good.length)
      assert.match(warnings.join(), /1 of 301 rows left out.*f:301/)
    })
    it(`many with ${name} are an error that names lines`, async () => {
      await assert.rejects(
        taxonomyExamples(rowsOf([...good, ...Array.from({ length: 50 }, () => row)])),
        isError('SL502', /f:301/),
      )
    })
  }

  it('one label is nothing to learn', async () => {
    await assert.rejects(
      taxonomyExamples(
        rowsOf([
          { title: 'x', label: ['a'] },
          { title: 'y', label: ['a'] },
        ]),
      ),
      isError('SL502'),
    )
  })

  it('labels with one row are counted', async () => {
    const { warnings } = await taxonomyExamples(rowsOf([...good, { title: 'x', label: ['rare', 'thing'] }]))
    assert.match(warnings.join(), /1 of 5 labels have one row/)
  })
})

function isError(code: string, message = /./) {
  return (error: unknown) => error instanceof SluiceError && error.code === code && message.test(error.message)
}
