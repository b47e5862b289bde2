// A world for the tests of the LLM tier: a fake LLM, a fake breaker and a fake clock, with everything that happens kept.
import { random } from '../../src/core/random.ts'
import { createLlmTier } from '../../src/tiers/llm.ts'
import { createProviders, isOutage } from '../../src/tiers/llm-providers.ts'
import { fakeBooks } from '../fakes/books.ts'
import { fakeBreaker } from '../fakes/breaker.ts'
import { fakeClock } from '../fakes/clock.ts'
import { fakeLlm, replyText } from '../fakes/llm.ts'
import { ASKING, hash, openItem, redact, shopTask } from './llm.ts'
import type { EventFields } from '../../src/core/events.ts'
import type { BudgetSettings } from '../../src/core/llm/budget.ts'
import type { Task } from '../../src/core/task.ts'
import type { OpenItem } from '../../src/ports/tier.ts'
import type { LlmLimits } from '../../src/tiers/llm.ts'
import type { ReadRequest } from '../fakes/llm.ts'

const LIMITS: LlmLimits = {
  ...ASKING,
  items_per_call_max: 20,
  asks_max: 3,
  calls_concurrently: 4,
  segment_chars_max: 600,
  output_tokens_max: 4_000,
  progress_ms: 2_000,
}
export const RESET_MS = 10_000
export const never = new AbortController().signal

/** The label that belongs to a text here: "Toys 17" is a toy. */
export const truth = (text: string) => text.split(' ')[0]!
export const honest = ({ items }: ReadRequest) => replyText(items.map(({ id, text }) => ({ id, label: truth(text) })))
export const shop = (count: number) =>
  Array.from({ length: count }, (_, index) => openItem(index, `${['Food', 'Drinks', 'Toys'][index % 3]} ${index}`))

export function world(
  answer: (asked: ReadRequest) => string = honest,
  options: { task?: Task; budget?: BudgetSettings; limits?: Partial<LlmLimits> } = {},
) {
  const clock = fakeClock()
  const llm = fakeLlm(answer, { clock })
  const breaker = fakeBreaker({ clock, reset_ms: RESET_MS, failures_max: 5, isFailure: isOutage })
  const events: { name: string; fields: EventFields }[] = []
  const beats: number[] = []
  const emit = (name: string, fields: EventFields) => void events.push({ name, fields })
  const providers = createProviders({
    providers: [{ name: 'fake', llm, breaker, price: { input: 1, cached_input: 0.1, output: 4 } }],
    calls_max: LIMITS.calls_concurrently,
    backoff: { backoff_ms: 500, backoff_max_ms: 30_000 },
    clock,
    emit,
    random: random(7),
  })
  const books = fakeBooks(clock, options.budget)
  const task = options.task ?? shopTask()
  const tier = createLlmTier({
    task,
    providers,
    clock,
    emit,
    books,
    hash,
    redact,
    limits: { ...LIMITS, ...options.limits },
  })
  return {
    clock,
    llm,
    breaker,
    events,
    beats,
    books,
    tier,
    ask: (items: readonly OpenItem[], signal = never) =>
      tier.answer(items, async () => void beats.push(clock.elapsed()), signal),
    count: (name: string, fields: EventFields = {}) =>
      events.filter((e) => e.name === name && Object.entries(fields).every(([key, value]) => e.fields[key] === value))
        .length,
  }
}
