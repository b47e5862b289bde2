// What is asked next, and what each question ends as: the walk down the tree, and asking again in smaller calls.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fold, open, plan } from '../../../src/core/llm/asking.ts'
import { wait_ms } from '../../../src/core/llm/backoff.ts'
import { costUsd, shareUsage } from '../../../src/core/llm/usage.ts'
import { labelSet, pathKey } from '../../../src/core/labels.ts'
import { replyText } from '../../fakes/llm.ts'
import { ASKING, shopTask, treeTask } from '../../support/llm.ts'
import type { Asking, AskLimits, Call, Heard, Question } from '../../../src/core/llm/asking.ts'
import type { Seen } from '../../../src/core/llm/tuning.ts'
import type { LabelPath } from '../../../src/core/labels.ts'

const LIMITS = { ...ASKING, items_per_call_max: 20, asks_max: 3 }
const TREE = treeTask().labels
const DEEP: LabelPath = ['A3', 'A3B2', 'A3B2C4']

function question(...shortlist: LabelPath[]): Question {
  return { segments: ['x'], shortlist: shortlist.map((label) => ({ label, probability: 0.4 })) }
}

function say(call: Call, label: string): Heard {
  return { kind: 'reply', finish: 'stop', text: replyText(call.questions.map((_, at) => ({ id: `${at + 1}`, label }))) }
}

/** Plans until nothing is left; `hear` replies to each call. Returns the end and the size of every call. */
function run(asking: Asking, hear: (call: Call) => Heard): { end: Asking; sizes: number[]; enums: string[][] } {
  const sizes: number[] = []
  const enums: string[][] = []
  let end = asking
  for (let calls = plan(end); calls.length > 0; calls = plan(end))
    for (const call of calls) {
      sizes.push(call.questions.length)
      enums.push([...call.choices.steps.keys()])
      end = fold(end, call, hear(call)).asking
    }
  return { end, sizes, enums }
}

describe('what is offered', () => {
  test('a small set is offered whole, with no way out', () => {
    const { enums, end } = run(open(shopTask().labels, [question(['Food'])], LIMITS), (call) => say(call, 'Toys'))
    assert.deepEqual(enums, [['Drinks', 'Food', 'Toys']])
    assert.deepEqual(end.standings[0]!.verdict, { kind: 'answered', label: ['Toys'] })
  })

  test('of a large set the short lists of the call and none_of_these', () => {
    const questions = [question(TREE.paths[0]!, TREE.paths[1]!), question(TREE.paths[1]!, TREE.paths[7]!)]
    const [call] = plan(open(TREE, questions, LIMITS))
    const offered = [TREE.paths[0]!, TREE.paths[1]!, TREE.paths[7]!].map(pathKey)
    assert.deepEqual([...call!.choices.steps.keys()], [...offered, 'none_of_these'])
  })

  test('none_of_these leads to the first level, and from there to the whole branch', () => {
    const start = open(TREE, [question(TREE.paths[0]!)], LIMITS)
    const replies = ['none_of_these', 'A3', pathKey(DEEP)]
    const { end, enums } = run(start, (call) => say(call, replies.shift()!))
    assert.deepEqual(enums[1], ['A1', 'A2', 'A3', 'A4', 'A5', 'A6', 'none_of_these'])
    assert.equal(enums[2]!.length, 5 * 4 + 1)
    assert.deepEqual(end.standings[0]!.verdict, { kind: 'answered', label: DEEP })
  })

  test('without a short list the walk begins at the first level', () => {
    const [call] = plan(open(TREE, [question()], LIMITS))
    assert.deepEqual([...call!.choices.steps.keys()].slice(0, 2), ['A1', 'A2'])
  })

  test('where no label fits, a human looks', () => {
    const { end } = run(open(TREE, [question(DEEP)], LIMITS), (call) => say(call, 'none_of_these'))
    assert.deepEqual(end.standings[0]!.verdict, { kind: 'review', why: 'no-label-fits' })
  })

  test('no enum is longer than 250, however large the set: flat sets come in pieces, wide branches level by level', () => {
    const flat = labelSet(Array.from({ length: 1_200 }, (_, index) => [`L${index}`]))
    const last = flat.paths.at(-1)![0]!
    const all = run(open(flat, [question()], LIMITS), (call) =>
      say(call, call.choices.steps.has(last) ? last : 'none_of_these'),
    )
    assert.deepEqual(all.end.standings[0]!.verdict, { kind: 'answered', label: [last] })
    assert.ok(all.enums.every((labels) => labels.length <= 250))
    assert.equal(new Set(all.enums.flat()).size, 1_201)

    const wide = labelSet(Array.from({ length: 2_000 }, (_, i) => ['All', `B${i % 20}`, `C${i}`]))
    const walk = run(open(wide, [question()], LIMITS), (call) => say(call, [...call.choices.steps.keys()][0]!))
    assert.equal(walk.end.standings[0]!.verdict!.kind, 'answered')
    assert.deepEqual(
      walk.enums.map((labels) => labels.length),
      [2, 21, 101],
    )
  })

  test('a label that is called none_of_these is a label', () => {
    const odd = labelSet([...TREE.paths, ['none_of_these', 'x', 'y']])
    const { enums } = run(open(odd, [question()], LIMITS), (call) => say(call, [...call.choices.steps.keys()].at(-1)!))
    assert.equal(enums[0]!.filter((label) => label === 'none_of_these').length, 1)
  })
})

describe('asking again', () => {
  const many = (count: number) =>
    open(
      shopTask().labels,
      Array.from({ length: count }, () => question()),
      LIMITS,
    )

  test('45 items are three calls', () => {
    assert.deepEqual(
      plan(many(45)).map(({ questions }) => questions.length),
      [20, 20, 5],
    )
  })

  test('one poisonous item in twenty is parted from its neighbours: they are answered, it goes to review', () => {
    const { end, sizes } = run(many(20), (call) =>
      call.questions.includes(13) ? { kind: 'reply', finish: 'refusal', text: '' } : say(call, 'Food'),
    )
    const kinds = end.standings.map(({ verdict }) => verdict!.kind)
    assert.deepEqual(kinds, [...Array.from({ length: 13 }, () => 'answered'), 'review', ...Array(6).fill('answered')])
    assert.deepEqual(end.standings[13]!.verdict, { kind: 'review', why: 'refusal' })
    assert.deepEqual(sizes, [20, 4, 4, 4, 4, 4, 1, 1, 1, 1])
  })

  test('only what was missing is asked again, each alone', () => {
    const asked: number[][] = []
    const { end } = run(many(6), (call) => {
      asked.push([...call.questions])
      const full = say(call, 'Food') as { text: string }
      const { answers } = JSON.parse(full.text) as { answers: { id: string; label: string }[] }
      return { kind: 'reply', finish: 'stop', text: replyText(asked.length === 1 ? answers.slice(0, 4) : answers) }
    })
    assert.deepEqual(asked, [[0, 1, 2, 3, 4, 5], [4], [5]])
    assert.ok(end.standings.every(({ verdict }) => verdict?.kind === 'answered'))
  })

  for (const heard of [
    { kind: 'rejected' },
    { kind: 'reply', finish: 'length', text: '' },
    { kind: 'reply', finish: 'stop', text: 'nonsense' },
  ] as const)
    test(`an LLM that always says ${JSON.stringify(heard)} is asked three times an item, then all go to review`, () => {
      const asks = Array.from({ length: 20 }, () => 0)
      const { end } = run(many(20), (call) => {
        for (const index of call.questions) asks[index]!++
        return heard
      })
      assert.deepEqual(new Set(asks), new Set([3]))
      assert.ok(end.standings.every(({ verdict }) => verdict?.kind === 'review'))
    })
})

describe('short lists and calls', () => {
  const ranked = (...probabilities: number[]) =>
    probabilities.map((probability, at) => ({ label: TREE.paths[at]!, probability }))
  const offered = (limits: Partial<AskLimits>, ...shortlists: Question['shortlist'][]) =>
    plan(
      open(
        TREE,
        shortlists.map((shortlist) => ({ segments: ['x'], shortlist })),
        { ...LIMITS, ...limits },
      ),
    ).map(({ questions, choices }) => [questions.length, choices.steps.size - 1])

  test('a sure item is offered few paths, a doubtful one many, up to the bound', () => {
    const limits = { items_per_call_max: 1, shortlist_mass: 0.9, shortlist_max: 6 }
    const sure = ranked(0.97, 0.01, 0.01)
    const doubtful = ranked(0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)
    assert.deepEqual(offered(limits, sure, doubtful), [
      [1, 2],
      [1, 6],
    ])
  })

  test('items whose short lists are the same share a call, and calls stay within their tokens', () => {
    const [a, b] = [ranked(0.6, 0.4), TREE.paths.slice(60, 62).map((label) => ({ label, probability: 0.5 }))]
    const lists = Array.from({ length: 8 }, (_, at) => (at % 2 ? a! : b!))
    assert.deepEqual(offered({ items_per_call_max: 4 }, ...lists), [
      [4, 2],
      [4, 2],
    ])
    const sizes = offered({ prompt_tokens_max: 400 }, ...lists).map(([items]) => items!)
    assert.ok(sizes.length > 2 && sizes.reduce((sum, items) => sum + items, 0) === 8, `${sizes}`)
  })

  test('an audited item is asked again alone, and that answer counts; the call of one it is told to watch is its own', () => {
    const questions = [question(), { ...question(), audited: true }].map((one) => ({ ...one, shortlist: ranked(1) }))
    const seen: Seen[] = []
    let asking = open(shopTask().labels, questions, LIMITS)
    for (let calls = plan(asking); calls.length > 0; calls = plan(asking))
      for (const call of calls) {
        const folded = fold(asking, call, say(call, call.questions.length > 1 ? 'Food' : 'Toys'))
        asking = folded.asking
        seen.push(folded.seen)
      }
    assert.deepEqual(
      asking.standings.map(({ verdict }) => verdict),
      [
        { kind: 'answered', label: ['Food'] },
        { kind: 'answered', label: ['Toys'] },
      ],
    )
    assert.deepEqual(
      seen.map(({ asked, audits }) => [asked, audits]),
      [
        [2, []],
        [0, [{ size: 2, same: false }]],
      ],
    )
  })

  test('an audit that fails three times leaves the first answer', () => {
    const questions = [question(), { ...question(), audited: true }]
    const { end } = run(open(shopTask().labels, questions, LIMITS), (call) =>
      call.questions.length > 1 ? say(call, 'Food') : { kind: 'rejected' },
    )
    assert.deepEqual(end.standings[1]!.verdict, { kind: 'answered', label: ['Food'] })
  })

  test('a short list that missed its item is told, with what the local model had promised', () => {
    const asking = open(TREE, [{ segments: ['x'], shortlist: ranked(0.5, 0.2) }], LIMITS)
    const [call] = plan(asking)
    const { seen } = fold(asking, call!, say(call!, 'none_of_these'))
    assert.ok(Math.abs(seen.leftOut - 0.3) < 1e-9)
    assert.equal(seen.missed, 1)
  })
})

describe('a suspicious text', () => {
  const odd = (...labels: LabelPath[]): Question => ({ ...question(...labels), suspicious: true })

  test('is asked alone, whatever its neighbours', () => {
    const calls = plan(open(shopTask().labels, [question(), odd(), question(), odd()], LIMITS))
    assert.deepEqual(calls.map(({ questions }) => questions).sort(), [[0, 2], [1], [3]])
  })

  test('is answered where the LLM says what the local model thinks, else a human looks', () => {
    const questions = [odd(['Food']), odd(['Toys']), odd()]
    const { end } = run(open(shopTask().labels, questions, LIMITS), (call) => say(call, 'Toys'))
    assert.deepEqual(
      end.standings.map(({ verdict }) => (verdict?.kind === 'review' ? verdict.why : verdict?.label)),
      ['suspicious', ['Toys'], 'suspicious'],
    )
  })
})

describe('the sums', () => {
  test('shares of a call add up to the call', () => {
    const usage = { inputTokens: 1_003, cachedInputTokens: 100, outputTokens: 7 }
    const shares = shareUsage(usage, 20)
    const sum = (key: keyof typeof usage) => shares.reduce((total, share) => total + share[key], 0)
    assert.deepEqual([sum('inputTokens'), sum('cachedInputTokens'), sum('outputTokens')], [1_003, 100, 7])
  })

  test('cached tokens cost their own price, and no price is no cost', () => {
    const usage = { inputTokens: 1_000_000, cachedInputTokens: 400_000, outputTokens: 100_000 }
    assert.equal(costUsd(usage, { input: 1, cached_input: 0.1, output: 10 }), 1.64)
    assert.equal(costUsd(usage, undefined), 0)
  })

  test('waits double up to their limit, with full jitter', () => {
    const limits = { backoff_ms: 500, backoff_max_ms: 30_000 }
    const longest = [1, 2, 3, 7, 1_000].map((failures) => wait_ms(limits, failures, 1))
    assert.deepEqual(longest, [500, 1_000, 2_000, 30_000, 30_000])
    assert.equal(wait_ms(limits, 9, 0), 0)
  })
})
