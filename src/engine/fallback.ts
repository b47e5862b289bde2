// The streaming machine of the fallback role: what the shared cache knows by now is answered from there, the LLM
// answers the rest; results, labels and reviews are committed together with the offset by the stream.
// Waits as long as the LLM is away; what waits, waits in Kafka.
import type { Answer } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import { pathIndex } from '../core/labels.ts'
import type { DeadLetter, Outcome } from '../core/outcome.ts'
import type { Task } from '../core/task.ts'
import type { Clock } from '../ports/clock.ts'
import type { Codec, Decoded } from '../ports/codec.ts'
import type { Emit } from '../ports/events.ts'
import type { Batch, Handler, OutputRecord } from '../ports/stream.ts'
import type { LlmResult, OpenItem, TierPort } from '../ports/tier.ts'
import { readFallback } from './fallback-record.ts'
import { decodePatiently } from './intake.ts'
import { countOutcomes, stopwatch } from './measure.ts'
import type { LabelWriter } from './labels.ts'
import type { OutcomeWriter } from './outcomes.ts'

export interface FallbackDeps {
  readonly task: Task
  readonly codec: Codec
  readonly clock: Clock
  readonly emit: Emit
  readonly hash: (segments: readonly string[]) => string | undefined
  /** What is known by now without asking the LLM: the caches. */
  readonly known: TierPort
  readonly askLlm: (open: readonly OpenItem[], progress: () => Promise<void>) => Promise<readonly LlmResult[]>
  readonly remember: (items: readonly Item[], answers: readonly (Answer | undefined)[]) => Promise<void>
  readonly outcomes: OutcomeWriter
  readonly labels: LabelWriter
}

export function createFallbackHandler(deps: FallbackDeps): Handler {
  const { task, clock, emit } = deps
  const paths = pathIndex(task.labels)

  return async (batch, progress, afterCommit) => {
    const lap = stopwatch(clock, emit, `${task.name}:fallback`)
    const decoded = await decodePatiently(deps, batch, progress)
    const taken = batch.records.map((_, index) => take(deps, paths, batch, index, decoded[index]!))
    const waiting = taken.filter((it) => 'item' in it)
    lap('decode')
    const cached = await deps.known.answer(waiting.map(({ item }) => item))
    lap('known')
    const unknown = waiting.filter((_, index) => cached[index]?.kind !== 'answer')
    const verdicts = unknown.length > 0 ? await deps.askLlm(unknown, progress) : []
    lap('llm')
    // Only once committed: a batch that is read again must be asked again, or its labels would never be written.
    afterCommit(() =>
      deps.remember(
        unknown.map(({ item }) => item),
        verdicts.map((verdict) => (verdict.kind === 'answered' ? verdict.answer : undefined)),
      ),
    )
    const said = verdicts.values()
    let position = 0
    const outcomes = taken.map((it): Outcome => {
      if (!('item' in it)) return it
      const reply = cached[position++]
      if (reply?.kind === 'answer') return { kind: 'result', item: it.item, answer: reply.answer }
      const verdict = said.next().value!
      if (verdict.kind === 'answered') return { kind: 'result', item: it.item, answer: verdict.answer }
      return { kind: 'review', item: it.item, shortlist: verdict.shortlist, why: verdict.why }
    })
    const records: OutputRecord[] = await deps.outcomes.write(outcomes, (_, index) => batch.records[index])
    const labels = await deps.labels.write(verdicts.filter((verdict) => verdict.kind === 'answered'))
    lap('encode')
    countOutcomes(emit, task.name, outcomes)
    return [...records, ...labels]
  }
}

function take(
  deps: FallbackDeps,
  paths: ReadonlyMap<string, number>,
  batch: Batch,
  index: number,
  decoded: Decoded,
): OpenItem | DeadLetter {
  const read = decoded.ok ? readFallback(deps.task, decoded.value, deps.hash, paths) : undefined
  if (read) return read
  const { offset, timestamp_ms } = batch.records[index]!
  const source = { topic: batch.topic, partition: batch.partition, offset, timestamp_ms }
  const [reason, detail] = decoded.ok ? (['bad-item', ''] as const) : [decoded.reason, decoded.detail]
  return { kind: 'dead-letter', task: deps.task.name, source, index: 0, reason, detail }
}
