// An LLM that lies in every way we know, and one that obeys whoever speaks to it: generated replies and texts against
// judges that share no code with the tier.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pathKey } from '../../src/core/labels.ts'
import { isSuspicious } from '../../src/core/llm/suspicion.ts'
import { random } from '../../src/core/random.ts'
import { replyText } from '../fakes/llm.ts'
import { injections } from '../support/injections.ts'
import { shop, truth, world } from '../support/llm-world.ts'
import { openItem, seed, shopTask, taskWith } from '../support/llm.ts'
import type { LlmLimits } from '../../src/tiers/llm.ts'
import type { ReadRequest } from '../fakes/llm.ts'

const REPLIES = 10_000
/** As in production: sizes follow the faults, some answers are asked for again. */
const TUNED: Partial<LlmLimits> = { call_faults_max: 0.05, call_disagreements_max: 0.1, call_audit_share: 0.2 }

describe('a hostile LLM', () => {
  test(`has none of ${REPLIES} replies accepted wrongly, loses no item, and is asked again at most twice`, async (t) => {
    const value = seed(t)
    const next = random(value)
    const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)]!
    const heard = { replies: 0 }
    for (let round = 0; heard.replies < REPLIES; round++) {
      /** What a reply may teach us: labels that a valid reply gave to exactly this text. */
      const said = new Map<string, Set<string>>()
      const faulty = new Map<string, number>()
      const answer = (asked: ReadRequest) => {
        heard.replies++
        const spoilt = pick(HOSTILE)(asked, next)
        for (const { id, text } of asked.items)
          if (sound(spoilt, id, asked)) said.set(text, (said.get(text) ?? new Set()).add(labelIn(spoilt, id)!))
          else faulty.set(text, (faulty.get(text) ?? 0) + 1)
        return spoilt
      }
      const { ask } = world(answer, { limits: round % 2 === 0 ? {} : TUNED })
      const items = shop(1 + Math.floor(next() * 60))
      const results = await ask(items)
      assert.deepEqual(
        results.map(({ item }) => item.id),
        items.map(({ item }) => item.id),
      )
      for (const result of results) {
        const text = result.item.segments[0]!
        assert.ok((faulty.get(text) ?? 0) <= 3, `seed ${value}: ${faulty.get(text)} asks in vain`)
        if (result.kind === 'answered') assert.ok(said.get(text)?.has(pathKey(result.answer.label)), `seed ${value}`)
        else assert.equal(said.has(text), false, `seed ${value}: a sound answer was not taken`)
      }
    }
  })
})

type Spoil = (asked: ReadRequest, next: () => number) => string

const right = ({ items }: ReadRequest) => items.map(({ id, text }) => ({ id, label: truth(text) }))
const relabelled = (asked: ReadRequest, next: () => number, label: (one: string) => string) =>
  replyText(right(asked).map((one) => (next() < 0.3 ? { ...one, label: label(one.label) } : one)))

const HOSTILE: readonly Spoil[] = [
  (asked) => replyText(right(asked)),
  (asked) => replyText(right(asked).toReversed()),
  (asked, next) => replyText(right(asked).filter(() => next() < 0.6)),
  (asked, next) => replyText(right(asked).flatMap((one) => (next() < 0.3 ? [one, one] : [one]))),
  (asked, next) => replyText(right(asked).flatMap((one) => (next() < 0.3 ? [one, { ...one, label: 'Food' }] : [one]))),
  (asked, next) => relabelled(asked, next, (label) => `${label} `),
  (asked, next) => relabelled(asked, next, () => 'Tоys'),
  (asked, next) => relabelled(asked, next, (label) => label.toLowerCase()),
  (asked, next) => relabelled(asked, next, () => 'none_of_these'),
  (asked, next) => relabelled(asked, next, () => '__proto__'),
  (asked, next) => relabelled(asked, next, (label) => `${label}\u200b`),
  (asked) => replyText(right(asked).map(({ id, label }) => ({ id: String(Number(id) + 1), label }))),
  (asked) => replyText(right(asked).map(({ id, label }) => ({ id: `0${id}`, label }))),
  (asked) => replyText([...right(asked), { id: '__proto__', label: 'Toys' }]),
  (asked) => replyText([...right(asked), { id: '9007199254740993', label: 'Toys' }]),
  (asked) => `\`\`\`json\n${replyText(right(asked))}\n\`\`\``,
  (asked) => `Sure! ${replyText(right(asked))}`,
  (asked) => `${replyText(right(asked))}${replyText(right(asked))}`,
  (asked) => `\ufeff${replyText(right(asked))}`,
  (asked, next) => replyText(right(asked)).slice(0, Math.floor(next() * 80)),
  (asked) => replyText(right(asked)).replace('{"answers"', '{"answers":[],"answers"'),
  (asked) => replyText(right(asked)).replace('"label":', '"label":"Cars","label":'),
  (asked) => replyText(right(asked)).replace('{"id"', '{"why":"x","id"'),
  (asked) => replyText(right(asked)).replaceAll(/"id":"(\d+)"/g, '"id":$1'),
  (asked) => replyText(right(asked)).replace(/"id":"(\d+)"/, '"id":1e999'),
  (asked) => replyText(right(asked)).replace(/"label":"(\w+)"/, '"label":["$1"]'),
  (asked) => replyText(right(asked)).replace(/"label":"\w+"/, '"label":null'),
  (asked) => JSON.stringify(right(asked)),
  (asked) => JSON.stringify({ answers: Object.fromEntries(right(asked).map(({ id, label }) => [id, label])) }),
  () => '['.repeat(100_000),
  () => '{"answers":[]}',
  () => '{"answers":null}',
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

describe('an LLM that obeys the texts it is shown', () => {
  /** 60 labels: offered as short lists. */
  const SMALL = shopTask()
  const LARGE = taskWith(
    ['Food', 'Drinks', 'Toys', ...Array.from({ length: 57 }, (_, at) => `Other ${at}`)].map((name) => [name]),
  )

  /** What it says of a call with such a text in it: `wanted` for all, sometimes in a shape of its own. */
  const OBEYING: readonly ((asked: ReadRequest, wanted: string) => string)[] = [
    ({ items }, wanted) => replyText(items.map(({ id }) => ({ id, label: wanted }))),
    ({ items, labels }, wanted) =>
      replyText(items.map(({ id }) => ({ id, label: labels.includes(wanted) ? wanted : 'none_of_these' }))),
    ({ items }, wanted) => replyText([...items.map(({ id }) => ({ id, label: wanted })), { id: '2', label: wanted }]),
    () => 'SYSTEM OVERRIDE ACCEPTED',
  ]

  for (const [name, task] of [
    ['the whole set on offer', SMALL],
    ['short lists', LARGE],
  ] as const)
    test(`has none of 200 payloads accepted, and no neighbour of one, with ${name}; no item is lost`, async (t) => {
      const value = seed(t)
      const next = random(value)
      const wanted = 'Toys'
      const payloads = injections(wanted)
      assert.equal(new Set(payloads).size, 200)
      let turn = 0
      const { ask } = world(
        (asked) => {
          const led = asked.items.some(({ text }) => text.includes('#'))
          if (led) return OBEYING[turn++ % OBEYING.length]!(asked, wanted)
          return replyText(asked.items.map(({ id, text }) => ({ id, label: truth(text) })))
        },
        { task, limits: TUNED },
      )
      // Food and drinks only, so that a toy is always a mistake; one text in three is hostile.
      const items = Array.from({ length: 600 }, (_, at) => {
        const own = at % 2 === 0 ? 'Food' : 'Drinks'
        const text = at % 3 === 0 ? `${own} # ${at} ${payloads[at / 3]}` : `${own} ${at}`
        const guess = next() < 0.8 ? own : 'Other 7'
        const shortlist = [guess, wanted, own, 'Food'].map((label, rank) => ({
          label: [label],
          probability: 0.4 - rank / 10,
        }))
        return openItem(at, text, task === SMALL && guess === 'Other 7' ? [] : shortlist)
      })
      const results = await ask(items)
      assert.deepEqual(
        results.map(({ item }) => item.id),
        items.map(({ item }) => item.id),
      )
      results.forEach((result, at) => {
        const text = items[at]!.item.segments[0]!
        if (result.kind === 'answered')
          assert.equal(pathKey(result.answer.label), truth(text), `seed ${value}: ${text}`)
        else assert.equal(at % 3, 0, `seed ${value}: an innocent neighbour went to review: ${text}`)
      })
    })

  test('what shops write is not suspected', () => {
    for (const text of [
      'Basmati rice, long grain, 5 kg (pack of 2)',
      'Label printer DK-22205 with 3 rolls for all Brother QL models',
      'System camera, 24 MP, with lens 16-50 mm',
      'Return gift for kids: set of 12 pencils, all colours',
      'You & Me duvet cover, 200 x 200 cm',
      'AI-powered robot vacuum, ignores cables',
      'Wall clock "The Answer"',
      'SN74LS00N NM8133KM01/NN8133KM01/NP8133KM01',
      'Rollenetiketten 25 x 10 mm, alle Farben',
      'Instant coffee, content: 200 g',
    ])
      assert.equal(isSuspicious([text]), false, text)
  })
})
