// The fallback role: the fallback topic → shared cache, then the LLM → results, labels, reviews. Wiring only.
import { createHash } from 'node:crypto'
import type { TaskFile } from '../adapters/config/tasks.ts'
import { redactor } from '../core/llm/redact.ts'
import { handleByTask } from '../engine/by-task.ts'
import { inOrder } from '../engine/in-order.ts'
import { createFallbackHandler } from '../engine/fallback.ts'
import { createLabelWriter } from '../engine/labels.ts'
import { createOutcomeWriter } from '../engine/outcomes.ts'
import { exactTier, textHash } from '../tiers/exact.ts'
import { createLlmTier } from '../tiers/llm.ts'
import { coalescing } from './coalescing.ts'
import { openBooks } from './books.ts'
import { openProviders } from './providers.ts'
import type { Role, Runtime } from './runtime.ts'
import { rememberIn } from './similar.ts'

/** One batch is a few rounds of calls: large enough to fill them, small enough to commit every few seconds. */
const ROUNDS_PER_BATCH = 2
const PROGRESS_MS = 2000

/** 128 bits of SHA-256, as hexadecimal digits. */
export const promptHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32)

export function fallbackRole(runtime: Runtime, tasks: readonly TaskFile[]): Role {
  const { config, codec, clock, emit, asserted, estimated } = runtime
  const { llm: settings } = config
  const books = openBooks(runtime)
  const providers = openProviders(config, tasks.length, clock, emit)
  const turns = coalescing(runtime, PROGRESS_MS)
  const limits = { ...settings, progress_ms: PROGRESS_MS }
  const redact = redactor(settings.redact)

  const handlers = tasks.map(({ task }) => {
    const exact = exactTier({ task, asserted, estimated, localDigest: () => undefined, emit })
    const similar = runtime.similar(task)
    const known = inOrder(similar ? [exact, similar] : [exact])
    const llm = createLlmTier({ task, providers, clock, emit, books, limits, hash: promptHash, redact })
    const handler = createFallbackHandler({
      task,
      codec,
      clock,
      emit,
      known,
      hash: textHash,
      askLlm: turns.around(task, llm, known, similar),
      remember: rememberIn(exact, similar),
      outcomes: createOutcomeWriter(task, runtime.outcomeTopics, codec),
      labels: createLabelWriter(task, runtime.topicName('labels'), codec),
      calls: books.calls,
    })
    return [task.name, handler] as const
  })
  const stream = runtime.stream(
    'fallback',
    `${config.kafka.group_prefix}.fallback`,
    runtime.topicName('fallback'),
    settings.items_per_call_max * settings.calls_concurrently * ROUNDS_PER_BATCH,
  )
  const close = async (): Promise<void> => {
    providers.close()
    await books.close()
  }
  return {
    run: () => stream.run(handleByTask(new Map(handlers), turns.nameTurn)).finally(close),
    drain: () => {
      turns.drain()
      return stream.drain()
    },
    degraded: () => [...providers.degraded(), ...books.degraded()],
  }
}
