// The LLM providers of a process, as the configuration names them: each with its client and its breaker. Wiring only.
import { BREAKER_DEFAULTS, createBreaker } from '../adapters/breaker/breaker.ts'
import type { Config } from '../adapters/config/schema.ts'
import { openAiLlm } from '../adapters/openai/llm.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'
import { createProviders, isOutage } from '../tiers/llm-providers.ts'
import type { Providers } from '../tiers/llm-providers.ts'

/** `callers`: how many tiers share them, each with `calls_concurrently` of its own. Throws SL101 for a forbidden address. */
export function openProviders({ llm }: Config, callers: number, clock: Clock, emit: Emit): Providers {
  const providers = llm.providers.map((settings) => ({
    name: settings.name,
    price: settings.price,
    llm: openAiLlm(settings),
    breaker: createBreaker({
      ...BREAKER_DEFAULTS,
      reset_ms: llm.breaker_reset_ms,
      isFailure: isOutage,
      provider: settings.name,
      emit,
    }),
  }))
  const calls_max = llm.calls_concurrently * Math.max(1, callers)
  return createProviders({ providers, calls_max, backoff: llm, clock, emit, random: Math.random })
}
