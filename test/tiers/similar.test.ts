// The similar tier: what it answers, what it passes on, from whom it learns, and how it is kept honest.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer, Reply } from '../../src/core/answer.ts'
import type { EventFields } from '../../src/core/events.ts'
import { parseTemplate } from '../../src/core/template.ts'
import { localOnly } from '../../src/core/local-only.ts'
import type { Similar } from '../../src/core/task.ts'
import type { Emit } from '../../src/ports/events.ts'
import type { NearAddition, NearStore } from '../../src/ports/near.ts'
import { similarTier } from '../../src/tiers/similar.ts'
import { fakeClock } from '../fakes/clock.ts'
import { LABELS, itemOf, taskOf } from '../fakes/items.ts'
import { memoryNear } from '../fakes/near.ts'
import { SIMILAR } from '../support/similar.ts'

const [CHEESE, BREAD] = LABELS.paths
const llm = (label = CHEESE!): Answer => ({ label, probabilities: [], tier: 'llm', digest: 'llm:1' })
const GOUDA = 'acme organic young gouda cheese slices'
const GOUDA_TOO = 'acme organic young gouda cheese slice'

const labelOf = (reply: Reply) => (reply.kind === 'answer' ? reply.answer.label : undefined)

function open(changes: Partial<Similar> = {}, store?: NearStore, clock = fakeClock()) {
  const events: { name: string; fields: EventFields }[] = []
  const emit: Emit = (name, fields) => events.push({ name, fields })
  const tier = similarTier({ task: taskOf({ similar: { ...SIMILAR, ...changes } }), store, clock, emit })
  const ask = async (title: string) => (await tier.answer([itemOf(1, title)]))[0]!
  const teach = (title: string, answer: Answer) => tier.learn([itemOf(2, title)], [answer])
  return { tier, ask, teach, events }
}

describe('the similar tier', () => {
  test('gives a text the answer of one that is nearly the same, as its own tier, asserted', async () => {
    const { ask, teach } = open()
    await teach(GOUDA, llm())
    assert.deepEqual(await ask(GOUDA_TOO), {
      kind: 'answer',
      answer: { label: CHEESE, probabilities: [], tier: 'similar', digest: 'llm:1' },
      shortlist: [],
    })
  })

  test('passes where nothing is near, where facts clash, where neighbours disagree', async () => {
    const { ask, teach } = open({ vetoes: ['numbers'] })
    assert.equal((await ask(GOUDA)).kind, 'pass')
    await teach(`${GOUDA} 200 g`, llm())
    assert.equal((await ask(`${GOUDA} 400 g`)).kind, 'pass')
    assert.equal((await ask(`${GOUDA_TOO} 200 g`)).kind, 'answer')
    await teach(`${GOUDA_TOO} 200g`, llm(BREAD))
    assert.equal((await ask(`${GOUDA} 200 g x`)).kind, 'pass')
  })

  test('learns from the LLM, from people and from a local model that is very sure; never from itself or a cache', async () => {
    for (const [answer, learned] of [
      [llm(), true],
      [{ ...llm(), tier: 'human' }, true],
      [{ ...llm(), tier: 'local', probabilities: [0.99, 0.99] }, true],
      [{ ...llm(), tier: 'local', probabilities: [0.99, 0.97] }, false],
      [{ ...llm(), tier: 'similar' }, false],
      [{ ...llm(), tier: 'exact' }, false],
    ] as const) {
      const { ask, teach } = open()
      await teach(GOUDA, answer)
      assert.equal((await ask(GOUDA_TOO)).kind, learned ? 'answer' : 'pass', JSON.stringify(answer))
    }
  })

  test('what one process has learned another finds in the shared store, and then knows itself', async () => {
    const store = memoryNear()
    await open({}, store).teach(GOUDA, llm())
    let asked = 0
    const counting: NearStore = { ...store, find: (questions) => ((asked += questions.length), store.find(questions)) }
    const { ask } = open({}, counting)
    assert.equal((await ask(GOUDA_TOO)).kind, 'answer')
    assert.equal((await ask(`${GOUDA_TOO} x`)).kind, 'answer')
    assert.equal(asked, 1)
  })

  test('believes nothing of the store that the task could not have kept', async () => {
    const forged = (value: string): NearStore => ({
      ...memoryNear(),
      find: async (questions) => questions.map(() => [{ id: 'x', value }]),
      add: async () => {},
    })
    const kept = (label: readonly string[], tier = 'llm') =>
      JSON.stringify([[GOUDA], JSON.stringify([tier, 'd', label, []])])
    assert.equal((await open({}, forged(kept(CHEESE!))).ask(GOUDA_TOO)).kind, 'answer', 'an honest value is believed')
    for (const value of [
      '',
      '{}',
      '[',
      'null',
      kept(['Food', 'Poison']),
      kept(CHEESE!, 'similar'),
      '[[1],"x"]',
      `[["${GOUDA}","b"],"x"]`,
    ]) {
      const { ask, events } = open({}, forged(value))
      assert.equal((await ask(GOUDA_TOO)).kind, 'pass', value)
      assert.ok(events.some(({ name }) => name === 'cache.rejected'))
    }
  })

  test('what is too long for other processes to believe is not written there', async () => {
    const store = memoryNear()
    const long = (letter: string) =>
      Array.from({ length: 6 }, (_, at) => `${letter}${at} "quoted" `.repeat(200)).join(' ')
    const segments = Array.from({ length: 12 }, (_, at) => ({ name: `s${at}`, text: parseTemplate(`{s${at}?}`) }))
    const many = (length: number) => ({ ...itemOf(1, GOUDA), segments: Array.from({ length }, () => long('x')) })
    const shared: NearAddition[] = []
    const counting: NearStore = { ...store, add: async (entries) => void shared.push(...entries) }
    const tier = similarTier({
      task: taskOf({ segments, similar: SIMILAR }),
      store: counting,
      clock: fakeClock(),
      emit: () => {},
    })
    await tier.learn([many(12)], [llm()])
    assert.deepEqual(shared, [])
    assert.equal((await tier.answer([many(12)]))[0]!.kind, 'answer', 'the process itself knows it')
  })

  test('a local answer is worth nothing to other processes: they have the same model', async () => {
    const store = memoryNear()
    await open({}, store).teach(GOUDA, { ...llm(), tier: 'local', probabilities: [0.99, 0.99] })
    assert.equal((await open({}, store).ask(GOUDA_TOO)).kind, 'pass')
  })

  test("a person's answer takes the place of the LLM's for the same text, and no later LLM's takes its place", async () => {
    const store = memoryNear()
    for (const { ask, teach } of [open(), open({}, store)]) {
      await teach(GOUDA, llm())
      await teach(GOUDA, { ...llm(BREAD), tier: 'human' })
      await teach(GOUDA, llm())
      assert.deepEqual(labelOf(await ask(GOUDA_TOO)), BREAD)
    }
    assert.deepEqual(labelOf(await open({}, store).ask(GOUDA_TOO)), BREAD, 'a process that begins now')
  })

  test('a correction made by another process is seen after five minutes', async () => {
    const [store, clock] = [memoryNear(), fakeClock()]
    const { ask, teach } = open({}, store, clock)
    await teach(GOUDA, llm())
    await open({}, store).teach(GOUDA, { ...llm(BREAD), tier: 'human' })
    await clock.sleep(299_000)
    assert.deepEqual(labelOf(await ask(GOUDA_TOO)), CHEESE)
    await clock.sleep(2_000)
    assert.deepEqual(labelOf(await ask(GOUDA_TOO)), BREAD)
  })

  test('what it has learned stays known where the store has lost it, and the store is not asked each time', async () => {
    let asked = 0
    const lost: NearStore = {
      ...memoryNear(),
      find: async (questions) => ((asked += questions.length), questions.map(() => [])),
      add: async () => {},
    }
    const clock = fakeClock()
    const { ask, teach } = open({}, lost, clock)
    await teach(GOUDA, llm())
    await clock.sleep(301_000)
    for (let round = 0; round < 3; round++) assert.deepEqual(labelOf(await ask(GOUDA_TOO)), CHEESE)
    assert.equal(asked, 1)
  })

  test('an audited text goes on to the next tiers, and what those say is counted, once', async () => {
    const { ask, teach, events } = open({ audit_share: 1 })
    const audited = () => events.filter(({ name }) => name === 'similar.audited').map(({ fields }) => fields['right'])
    await teach(GOUDA, llm())
    await teach(GOUDA_TOO, llm())
    assert.deepEqual(audited(), [], 'nobody had asked')
    assert.equal((await ask(GOUDA_TOO)).kind, 'pass')
    await teach(GOUDA_TOO, llm(BREAD))
    await teach(GOUDA_TOO, llm(BREAD))
    assert.deepEqual(audited(), ['false'])
  })

  test('a text that must not leave is not audited: it would go to a person, and nobody would compare', async () => {
    const only = localOnly(parseTemplate('{shop?}'), ['acme'])
    const task = taskOf({ localOnly: only, similar: { ...SIMILAR, audit_share: 1 } })
    const tier = similarTier({ task, store: undefined, clock: fakeClock(), emit: () => {} })
    await tier.learn([{ ...itemOf(1, GOUDA), tenant: 'globex' }], [llm()])
    const asked = ['acme', 'globex'].map((tenant, at) => ({ ...itemOf(at, GOUDA_TOO), tenant }))
    assert.deepEqual(
      (await tier.answer(asked)).map(({ kind }) => kind),
      ['answer', 'pass'],
    )
  })

  test("its own word on an audited text proves nothing: what is awaited is the next tiers'", async () => {
    const { ask, teach, events } = open({ audit_share: 1 })
    await teach(GOUDA, llm())
    assert.equal((await ask(GOUDA_TOO)).kind, 'pass')
    await teach(GOUDA_TOO, { ...llm(), tier: 'similar' })
    await teach(GOUDA_TOO, llm(BREAD))
    assert.deepEqual(
      events.filter(({ name }) => name === 'similar.audited').map(({ fields }) => fields['right']),
      ['false'],
    )
  })

  test('too many false hits switch it off, and it answers again when they have become few', async () => {
    const { tier, ask, teach, events } = open({ audit_share: 0.5, false_hits_max: 0.2, entries_max: 5_000 })
    const switched = () => events.filter(({ name }) => name === 'similar.switched').map(({ fields }) => fields['state'])
    const title = (number: number) => `gizmo model ${number * 7_919} alpha one two three four`
    const feed = async (from: number, truth: Answer) => {
      for (let number = from; number < from + 200; number++) {
        await teach(title(number), llm())
        if ((await ask(`${title(number)}s`)).kind === 'pass') await teach(`${title(number)}s`, truth)
      }
    }
    await feed(0, llm(BREAD))
    assert.deepEqual(switched(), ['off'])
    const items = Array.from({ length: 200 }, (_, at) => itemOf(at, `${title(at)} five`))
    assert.ok((await tier.answer(items)).every(({ kind }) => kind === 'pass'))
    for (let round = 1; round < 20 && switched().length === 1; round++) await feed(round * 10_000, llm())
    assert.deepEqual(switched(), ['off', 'on'])
    await teach(GOUDA, llm())
    const again = Array.from('abcdefghijkl', (letter, at) => itemOf(at, `${GOUDA} ${letter}`))
    assert.ok((await tier.answer(again)).some(({ kind }) => kind === 'answer'))
  })

  test('a process that hears nothing itself believes the one that does, and goes on when that does', async () => {
    const [store, clock] = [memoryNear(), fakeClock()]
    const hearing = open({ audit_share: 1, false_hits_max: 0.2, entries_max: 5_000 }, store, clock)
    const deaf = open({}, store, clock)
    const word = (number: number) => ((number * 2_654_435_761) % 2 ** 32).toString(36)
    const title = (number: number) => [1, 2, 3, 4].map((at) => word(4 * number + at)).join(' ')
    const feed = async (from: number, to: number, truth: Answer) => {
      for (let number = from; number < to; number++) {
        await hearing.teach(title(number), llm())
        assert.equal((await hearing.ask(`${title(number)}s`)).kind, 'pass')
        await hearing.teach(`${title(number)}s`, truth)
      }
    }
    const states = ({ events }: typeof deaf) =>
      events.flatMap(({ name, fields }) => (name === 'similar.switched' ? [fields['state']] : []))
    assert.equal((await deaf.ask('nothing is near this')).kind, 'pass')
    await hearing.teach(GOUDA, llm())
    assert.equal((await deaf.ask(GOUDA_TOO)).kind, 'answer')
    await feed(0, 12, llm(BREAD))
    assert.deepEqual([states(hearing), await store.isOff()], [['off'], true])
    await deaf.ask('nothing is near this either')
    assert.equal((await deaf.ask(GOUDA_TOO)).kind, 'pass')
    await store.sayOff(false)
    await clock.sleep(601_000)
    await feed(12, 13, llm(BREAD))
    assert.equal(await store.isOff(), true, 'said again')
    await feed(13, 80, llm())
    await deaf.ask('nor this')
    assert.equal((await deaf.ask(GOUDA_TOO)).kind, 'answer')
    assert.deepEqual(
      [states(hearing), states(deaf)],
      [
        ['off', 'on'],
        ['off', 'on'],
      ],
    )
  })

  test('a batch without items is no error', async () => {
    assert.deepEqual(await open().tier.answer([]), [])
    await open({}, memoryNear()).tier.learn([], [])
  })
})
