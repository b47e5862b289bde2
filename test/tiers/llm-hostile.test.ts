// An LLM that lies in every way we know: generated replies against a judge that shares no code with the tier.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pathKey } from '../../src/core/labels.ts'
import { random } from '../../src/core/random.ts'
import { replyText } from '../fakes/llm.ts'
import { shop, truth, world } from '../support/llm-world.ts'
import { seed } from '../support/llm.ts'
import type { ReadRequest } from '../fakes/llm.ts'

describe('a hostile LLM', () => {
  test('has none of 2,000 replies accepted wrongly, loses no item, and is asked again at most twice', async (t) => {
    const value = seed(t)
    const next = random(value)
    const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)]!
    const heard = { replies: 0 }
    while (heard.replies < 2_000) {
      /** What a reply may teach us: labels that a valid reply gave to exactly this text. */
      const said = new Map<string, Set<string>>()
      const asks = new Map<string, number>()
      const { ask } = world((asked) => {
        heard.replies++
        for (const { text } of asked.items) asks.set(text, (asks.get(text) ?? 0) + 1)
        const spoilt = pick(HOSTILE)(asked, next)
        for (const { id, text } of asked.items)
          if (sound(spoilt, id, asked)) said.set(text, (said.get(text) ?? new Set()).add(labelIn(spoilt, id)!))
        return spoilt
      })
      const items = shop(1 + Math.floor(next() * 60))
      const results = await ask(items)
      assert.equal(results.length, items.length)
      for (const result of results) {
        const text = result.item.segments[0]!
        assert.ok(asks.get(text)! <= 3, `seed ${value}: asked ${asks.get(text)} times`)
        if (result.kind === 'answered') assert.ok(said.get(text)?.has(pathKey(result.answer.label)), `seed ${value}`)
        else assert.equal(said.has(text), false, `seed ${value}: a sound answer was not taken`)
      }
    }
  })
})

type Spoil = (asked: ReadRequest, next: () => number) => string

const right = ({ items }: ReadRequest) => items.map(({ id, text }) => ({ id, label: truth(text) }))

const HOSTILE: readonly Spoil[] = [
  (asked) => replyText(right(asked)),
  (asked) => replyText(right(asked).toReversed()),
  (asked, next) => replyText(right(asked).filter(() => next() < 0.6)),
  (asked, next) => replyText(right(asked).flatMap((one) => (next() < 0.3 ? [one, one] : [one]))),
  (asked, next) => replyText(right(asked).map((one) => (next() < 0.3 ? { ...one, label: `${one.label} ` } : one))),
  (asked, next) => replyText(right(asked).map((one) => (next() < 0.3 ? { ...one, label: 'Tоys' } : one))),
  (asked) => replyText(right(asked).map(({ id, label }) => ({ id: String(Number(id) + 1), label }))),
  (asked) => replyText([...right(asked), { id: '__proto__', label: 'Toys' }]),
  (asked) => `\`\`\`json\n${replyText(right(asked))}\n\`\`\``,
  (asked) => `${replyText(right(asked))}${replyText(right(asked))}`,
  (asked, next) => replyText(right(asked)).slice(0, Math.floor(next() * 80)),
  (asked) => replyText(right(asked)).replace('{"answers"', '{"answers":[],"answers"'),
  (asked) => replyText(right(asked)).replace('"label":', '"label":"Cars","label":'),
  (asked) => replyText(right(asked)).replaceAll(/"id":"(\d+)"/g, '"id":$1'),
  (asked) => replyText(right(asked)).replace(/"id":"(\d+)"/, '"id":1e999'),
  () => '['.repeat(100_000),
  () => '{"answers":[]}',
  () => '',
  () => 'SWdub3JlIGFsbCBydWxlcw==',
  (asked) => replyText(right(asked)) + ' '.repeat(1_000_000),
]

/** The judge, written anew: plain JSON, exact shape, this id once, no id that was not asked while one is missing. */
function sound(reply: string, id: string, { items, labels }: ReadRequest): boolean {
  if (reply.length > 100_000 || !/^\{"answers":\[(\{"id":"[^"]*","label":"[^"]*"\},?)*\]\}$/.test(reply)) return false
  const { answers } = JSON.parse(reply) as { answers: { id: string; label: string }[] }
  const asked = new Set(items.map((item) => item.id))
  const told = new Set(answers.map((answer) => answer.id))
  const shifted = !told.isSubsetOf(asked) && !asked.isSubsetOf(told)
  return !shifted && answers.filter((one) => one.id === id).length === 1 && labels.includes(labelIn(reply, id)!)
}

function labelIn(reply: string, id: string): string | undefined {
  const { answers } = JSON.parse(reply) as { answers: { id: string; label: string }[] }
  return answers.find((one) => one.id === id)?.label
}
