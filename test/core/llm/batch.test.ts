// Rounds of calls that were heard in any order and with any interruption; parts within their limits.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { callIds, open } from '../../../src/core/llm/asking.ts'
import { partsOf, replayRounds } from '../../../src/core/llm/batch.ts'
import { pathKey } from '../../../src/core/labels.ts'
import { random } from '../../../src/core/random.ts'
import { hash, treeTask } from '../../support/llm.ts'
import type { Asking, Call } from '../../../src/core/llm/asking.ts'
import type { HeardCall } from '../../../src/core/llm/batch.ts'

const task = treeTask()
const LIMITS = { items_per_call_max: 5, asks_max: 3, prompt_tokens_max: 8_000, shortlist_mass: 0.95, shortlist_max: 12 }
const questions = task.labels.paths.slice(0, 40).map((path, index) => ({
  segments: [pathKey(path)],
  shortlist: index % 2 === 0 ? [] : [{ label: task.labels.paths[index + 1]!, probability: 0.9 }],
}))
const start = open(task.labels, questions, LIMITS)

/** A request of these tests is what is asked about and what is on offer. */
const render = (asking: Asking, call: Call, round: number) => {
  const request = {
    texts: call.questions.map((index) => asking.questions[index]!.segments[0]!),
    labels: [...call.choices.steps.keys()],
    ids: callIds(call),
  }
  return { key: hash(JSON.stringify([round, request])), request }
}
type Request = ReturnType<typeof render>['request']

/** Answers right, or with nonsense where `spoilt`. */
function answer({ texts, labels, ids }: Request, spoilt: boolean): HeardCall {
  const answers = texts.map((text, at) => {
    const names = text.split(' > ')
    const fits = [3, 2, 1].map((depth) => names.slice(0, depth).join(' > ')).find((label) => labels.includes(label))
    return { id: ids[at]!, label: fits ?? 'none_of_these' }
  })
  const text = spoilt ? 'nonsense' : JSON.stringify({ answers })
  const usage = { inputTokens: 10 * texts.length, cachedInputTokens: 0, outputTokens: 7 }
  return { heard: { kind: 'reply', text, finish: 'stop' }, usage, costUsd: 0.5 }
}

/** Plays to the end; in each turn only some of what is missing is answered. */
function play(share: number, seed: number) {
  const next = random(seed)
  const heard = new Map<string, HeardCall>()
  for (let turn = 0; turn < 2_000; turn++) {
    const now = replayRounds(start, render, (key) => heard.get(key))
    if (now.missing.length === 0) return { ...now, heard }
    for (const { key, request } of now.missing)
      // The key decides what is spoilt, so that every order of play hears the same.
      if (next() < share) heard.set(key, answer(request, parseInt(key.slice(0, 4), 16) % 7 === 0))
  }
  return assert.fail('no end')
}

describe('rounds of calls', () => {
  test('end with a verdict for each question, the same whatever was interrupted and in whichever order it came', () => {
    const whole = play(1, 1)
    assert.ok(whole.round > 3, 'several rounds')
    const right = whole.asking.standings.filter(
      ({ verdict }, index) => verdict?.kind === 'answered' && pathKey(verdict.label) === questions[index]!.segments[0],
    )
    assert.equal(right.length, questions.length)
    for (let seed = 2; seed < 12; seed++) {
      const parted = play(0.3, seed)
      assert.deepEqual(parted.asking.standings, whole.asking.standings)
      assert.deepEqual([...parted.heard.keys()].toSorted(), [...whole.heard.keys()].toSorted())
    }
  })

  test('account for every call once: tokens and dollars of the questions add up', () => {
    const { spent, heard } = play(1, 1)
    const sum = (of: (one: (typeof spent)[number]) => number) => spent.reduce((total, one) => total + of(one), 0)
    const all = [...heard.values()]
    assert.equal(
      sum(({ inputTokens, outputTokens }) => inputTokens + outputTokens),
      all.reduce((total, { usage }) => total + usage.inputTokens + usage.outputTokens, 0),
    )
    assert.ok(Math.abs(sum(({ costUsd }) => costUsd) - 0.5 * all.length) < 1e-9)
  })

  test('a question that is settled in a round that is still open has its verdict already', () => {
    const first = replayRounds(start, render, () => undefined)
    const one = first.missing[0]!
    const now = replayRounds(start, render, (key) => (key === one.key ? answer(one.request, false) : undefined))
    assert.equal(now.missing.length, first.missing.length - 1)
    assert.ok(now.spent.some(({ calls }) => calls === 1))
  })
})

describe('parts', () => {
  test('hold everything once and in order, within both limits, and none is empty', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 })),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 100 }),
        (sizes, requests_max, bytes_max) => {
          const parts = partsOf(sizes, (size) => size, { requests_max, bytes_max })
          assert.deepEqual(parts.flat(), sizes)
          for (const part of parts) {
            assert.ok(part.length > 0 && part.length <= requests_max)
            assert.ok(part.length === 1 || part.reduce((a, b) => a + b) <= bytes_max)
          }
        },
      ),
    )
  })
})
