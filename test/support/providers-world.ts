// Several LLM providers as one, each a fake LLM behind a fake breaker, in faked time.
import { random } from '../../src/core/random.ts'
import { createProviders, isOutage } from '../../src/tiers/llm-providers.ts'
import { fakeBreaker } from '../fakes/breaker.ts'
import { fakeClock } from '../fakes/clock.ts'
import { fakeLlm, replyText } from '../fakes/llm.ts'
import { promptFor, shopTask } from './llm.ts'
import type { EventFields } from '../../src/core/events.ts'
import type { Llm } from '../../src/ports/llm.ts'
import type { Around } from '../../src/tiers/llm-providers.ts'
import type { FakeLlm } from '../fakes/llm.ts'

export const RESET_MS = 10_000
export const CALLS_MAX = 8
export const never = new AbortController().signal
export const request = promptFor(shopTask(), ['Food 1'])
const direct: Around = (_, call) => call('1')

/** Providers `first` and `second`, or as many as are named; `llms` may put a fake LLM of the test's own in a place. */
export function providersWorld(
  names: readonly string[] = ['first', 'second'],
  llms: Readonly<Record<string, Llm>> = {},
) {
  const clock = fakeClock()
  const events: { name: string; fields: EventFields }[] = []
  const fakes: Record<string, FakeLlm> = {}
  const seats = names.map((name) => {
    const fake = fakeLlm(() => replyText([{ id: '1', label: 'Food' }]), { clock })
    fakes[name] = Object.assign(fake, { model: `model-of-${name}` })
    const breaker = fakeBreaker({ clock, reset_ms: RESET_MS, failures_max: 5, isFailure: isOutage })
    return {
      name,
      llm: llms[name] ?? fake,
      breaker,
      price: { input: names.indexOf(name) + 1, cached_input: 0, output: 0 },
    }
  })
  const providers = createProviders({
    providers: seats,
    calls_max: CALLS_MAX,
    backoff: { backoff_ms: 500, backoff_max_ms: 30_000 },
    clock,
    emit: (name, fields) => void events.push({ name, fields }),
    random: random(7),
  })
  const ask = (signal = never, alone = true) => providers.complete(request, signal, { alone, around: direct })
  return {
    clock,
    providers,
    ask,
    askMany: (calls: number) => Promise.all(Array.from({ length: calls }, () => ask())),
    first: fakes['first']!,
    second: fakes['second']!,
    breakers: seats.map(({ breaker }) => breaker),
    said: (name: string) => events.filter((event) => event.name === name).map(({ fields }) => fields),
  }
}
