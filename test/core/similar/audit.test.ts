// Whose answers the similarity cache learns from, and how it finds out how often it is wrong.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../../src/core/answer.ts'
import { createAudit, falseHits, isAudited, isOff, NONE_AUDITED, observed } from '../../../src/core/similar/audit.ts'
import { rankOf, supersedes } from '../../../src/core/similar/rank.ts'

describe('the rank of an answer', () => {
  const of = (tier: Answer['tier'], probabilities: readonly number[] = []): Answer => ({
    label: ['a'],
    probabilities,
    tier,
    digest: 'd',
  })

  test('a person before the LLM before a sure model; what is second-hand or unsure is not learned from', () => {
    const ranks = [
      of('human'),
      of('llm'),
      of('local', [0.99, 0.98]),
      of('local', [0.99, 0.97]),
      of('local', [NaN]),
      of('exact'),
      of('similar'),
    ].map((answer) => rankOf(answer, 0.98))
    assert.deepEqual(ranks, [3, 2, 1, 0, 0, 0, 0])
    assert.equal(rankOf(of('local', [1]), undefined), 0, 'unless it is told how sure is sure')
  })

  test('the later answer counts among equals, and never one of lower standing', () => {
    const tiers = ['local', 'llm', 'human'] as const
    for (const [earlier, one] of tiers.entries())
      for (const [later, other] of tiers.entries())
        assert.equal(supersedes(of(other), of(one)), later >= earlier, `${other} after ${one}`)
  })
})

describe('the audit', () => {
  test('takes about the share it is told, the same texts every time', () => {
    const audited = Array.from({ length: 20_000 }, (_, at) => isAudited(`text ${at}`, 0.05))
    const share = audited.filter(Boolean).length / audited.length
    assert.ok(Math.abs(share - 0.05) < 0.007, String(share))
    assert.deepEqual(
      audited,
      audited.map((_, at) => isAudited(`text ${at}`, 0.05)),
    )
    assert.ok(!isAudited('x', 0) && isAudited('x', 1))
  })

  test('a few wrong hits are no proof; many are; when they have become few the tier is on again', () => {
    const feed = (from: typeof NONE_AUDITED, hits: number, wrongEvery: number) => {
      let audits = from
      for (let hit = 1; hit <= hits; hit++) audits = observed(audits, hit % wrongEvery === 0, 200)
      return audits
    }
    for (const hits of [1, 2, 5]) assert.ok(!isOff(feed(NONE_AUDITED, hits, 1), 0.1, false), `${hits} of ${hits}`)
    assert.ok(isOff(feed(NONE_AUDITED, 12, 2), 0.1, false))
    const few = feed(NONE_AUDITED, 3, 2)
    assert.ok(falseHits(few).rate > 0.1)
    assert.ok(!isOff(few, 0.1, false), 'one of three may be chance')
    const bad = feed(NONE_AUDITED, 300, 3)
    assert.ok(isOff(bad, 0.1, false))
    const better = feed(bad, 1_000, 50)
    assert.ok(!isOff(better, 0.1, true))
    assert.ok(isOff(feed(bad, 20, 50), 0.1, true), 'not at once')
  })

  test('what is remembered is bounded', () => {
    let audits = NONE_AUDITED
    for (let hit = 0; hit < 5_000; hit++) audits = observed(audits, true, 200)
    assert.ok(audits.hits <= 200.001)
  })

  test('compares only what it sent on, each text once', () => {
    const audit = createAudit<string>(1, 1)
    assert.equal(
      audit.heard('never asked', () => true),
      undefined,
    )
    assert.equal(audit.next('a', 'x'), 'audited')
    assert.equal(audit.heard('a', (given) => given === 'x')?.isWrong, false)
    assert.equal(
      audit.heard('a', () => true),
      undefined,
    )
    assert.equal(createAudit(0, 1).next('a', 'x'), 'answered')
  })

  test('while off every hit goes on and is compared, so that it is on again as soon as hits are right again', () => {
    const audit = createAudit<string>(0.05, 0.1)
    const switches: string[] = []
    const feed = (hits: number, truth: string) => {
      for (let hit = 0; hit < hits; hit++) {
        if (audit.next(`text ${hit}`, 'x') === 'answered') continue
        const heard = audit.heard(`text ${hit}`, (given) => given === truth)
        if (heard?.isNew) switches.push(heard.state)
      }
    }
    feed(2_000, 'y')
    assert.deepEqual(switches, ['off'])
    assert.equal(audit.next('any', 'x'), 'off')
    feed(20_000, 'x')
    assert.deepEqual(switches, ['off', 'on'])
  })

  test('what another process found counts until this one has heard enough itself', () => {
    const audit = createAudit<string>(1, 0.1)
    assert.deepEqual([audit.told(false), audit.told(true), audit.told(true)], [false, true, false])
    assert.equal(audit.next('any', 'x'), 'off')
    for (let hit = 0; hit < 9; hit++) {
      audit.next(`text ${hit}`, 'x')
      assert.equal(audit.heard(`text ${hit}`, () => true)?.state, 'off')
    }
    audit.next('the tenth', 'x')
    const { state, isNew } = audit.heard('the tenth', () => true)!
    assert.deepEqual([state, isNew, audit.told(true)], ['on', true, false])
  })

  test('hits whose answer never comes are given up, the oldest first', () => {
    const audit = createAudit<string>(1, 1)
    for (let hit = 0; hit < 30_000; hit++) audit.next(`text ${hit}`, 'x')
    assert.equal(
      audit.heard('text 0', () => true),
      undefined,
    )
    assert.notEqual(
      audit.heard('text 29999', () => true),
      undefined,
    )
  })
})
