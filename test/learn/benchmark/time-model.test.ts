// A local model takes the test: one item at a time, and a folder that does not fit the task is refused.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readRubric } from '../../../src/adapters/config/tasks.ts'
import { timeFolder } from '../../../src/cli/benchmark-models.ts'
import { readSplit } from '../../../src/cli/benchmark-sample.ts'
import { timeModel } from '../../../src/learn/benchmark/time-model.ts'
import { fakeClock } from '../../fakes/clock.ts'
import { shopSplit } from '../../support/benchmark.ts'
import { shopTask } from '../../support/llm.ts'
import { never, truth } from '../../support/llm-world.ts'
import type { Model } from '../../../src/ports/model.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** 2 ms an item alone, 10 ms a batch; fails on Toys. */
function slowModel() {
  const clock = fakeClock()
  const batches: number[] = []
  const model: Model = {
    digest: 'd',
    labels: shopTask().labels,
    thresholds: [0.5],
    async classify(inputs) {
      batches.push(inputs.length)
      await clock.sleep(inputs.length === 1 ? 2 : 10)
      return inputs.map(([text]) => {
        const label = [truth(text!)]
        return label[0] === 'Toys' ? undefined : { label, probabilities: [1], shortlist: [] }
      })
    },
    close: async () => {},
  }
  return { clock, model, batches }
}

describe('a local model that takes the test', () => {
  const splits = [shopSplit(4), shopSplit(3, 'out-of-distribution')]

  test('is asked one item at a time; what it fails on is counted', async () => {
    const { clock, model, batches } = slowModel()
    const contestant = { name: 'shop', model, machineUsdPerHour: undefined }
    const performance = await timeModel(contestant, splits, { clock, stop: never, progress: () => {} })
    assert.deepEqual(performance.latencies_ms, [2, 2, 2, 2, 2, 2, 2])
    assert.deepEqual(
      performance.given.map((split) => split.map((one) => (one && 'why' in one ? one.why : 'label'))),
      [
        ['label', 'label', 'failed', 'label'],
        ['label', 'label', 'failed'],
      ],
    )
    // Seven to warm up, seven on the clock, then batches of all for half a second.
    assert.deepEqual(
      [batches.slice(0, 14), new Set(batches.slice(14))],
      [Array.from({ length: 14 }, () => 1), new Set([7])],
    )
    assert.equal(Math.round(performance.itemsPerSecond!), 700)
  })

  test('stops where it is told to, and the rest was not asked', async () => {
    const { clock, model } = slowModel()
    const stop = new AbortController()
    const progress = (done: number) => void (done === 3 && stop.abort())
    const contestant = { name: 'shop', model, machineUsdPerHour: undefined }
    const performance = await timeModel(contestant, splits, { clock, stop: stop.signal, progress })
    assert.equal(performance.given.flat().filter((one) => one !== undefined).length, 3)
    assert.deepEqual([performance.itemsPerSecond, typeof performance.failure], [undefined, 'string'])
  })
})

describe('a model folder', () => {
  const folder = (task: string) => join(ROOT, 'models', task, 'champion')
  const deps = {
    clock: { now: Date.now, elapsed: () => performance.now(), sleep: async () => {} },
    stop: never,
    progress: () => {},
  }

  test('answers the rows of its task; a task.yaml is a rubric as it stands', async () => {
    const task = await readRubric(join(ROOT, 'models', 'taxonomy', 'task.yaml'), {})
    assert.equal(task.name, 'taxonomy')
    const draw = { size: 20, seed: 1, stratified: false }
    const file = join(ROOT, 'examples', 'products.jsonl')
    const { split, source } = await readSplit('in-distribution', [file], task, draw, new Set())
    assert.deepEqual([split.items.length, source.available, source.leftOut], [20, 769, {}])
    const { performance, trainedOn } = await timeFolder(folder('taxonomy'), task, [split], 0.1, deps)
    assert.ok(performance.given[0]!.every((one) => one && 'label' in one && one.label.length === 3))
    assert.ok(trainedOn.size > 0 && !trainedOn.has(source.files[0]!.sha256))
  })

  test('that reads other segments than the task has is refused', async () => {
    const task = await readRubric(join(ROOT, 'models', 'relevance', 'task.yaml'), {})
    await assert.rejects(timeFolder(folder('taxonomy'), task, [], undefined, deps), {
      code: 'SL501',
      message: /taxonomy.champion reads title, brand; the task relevance has query, title, description/,
    })
  })
})
