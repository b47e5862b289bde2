// The streaming machine of the fallback role: what the shared cache knows by now is answered from there, the LLM
// answers the rest; results, labels and reviews are committed together with the offset by the stream.
// Waits as long as the LLM is away; what waits, waits in Kafka.
import type { Answer } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import { pathIndex } from '../core/labels.ts'
import { mustStay } from '../core/local-only.ts'
import { writeWay } from '../core/way.ts'
import type { DeadLetter, Outcome } from '../core/outcome.ts'
import type { Task } from '../core/task.ts'
import type { Clock } from '../ports/clock.ts'
import type { Codec, Decoded } from '../ports/codec.ts'
import type { Emit } from '../ports/events.ts'
import type { Batch, OutputRecord } from '../ports/stream.ts'
import type { LlmResult, OpenItem, TierPort, Turn } from '../ports/tier.ts'
import type { TurnHandler } from './by-task.ts'
import { readFallback } from './fallback-record.ts'
import { decodePatiently } from './intake.ts'
import { countOutcomes, stopwatch } from './measure.ts'
import { book } from '../core/llm/ledger.ts'
import type { CallWriter } from './calls.ts'
import type { LabelWriter } from './labels.ts'
import type { OutcomeWriter } from './outcomes.ts'

const STAYS = 'local_only: the text of this tenant must not go to an LLM, and no local tier was sure'

export interface FallbackDeps {
  readonly task: Task
  readonly codec: Codec
  readonly clock: Clock
  readonly emit: Emit
  readonly hash: (segments: readonly string[]) => string | undefined
  /** What is known by now without asking the LLM: the caches. */
  readonly known: TierPort
  readonly askLlm: (
    open: readonly OpenItem[],
    progress: () => Promise<void>,
    turn: Turn,
  ) => Promise<readonly LlmResult[]>
  readonly remember: (items: readonly Item[], answers: readonly (Answer | undefined)[]) => Promise<void>
  readonly outcomes: OutcomeWriter
  readonly labels: LabelWriter
  readonly calls: CallWriter
}

export function createFallbackHandler(deps: FallbackDeps): TurnHandler {
  const { task, clock, emit } = deps
  const paths = pathIndex(task.labels)

  return async (batch, progress, afterCommit, turn) => {
    const lap = stopwatch(clock, emit, `${task.name}:fallback`)
    const decoded = await decodePatiently(deps, batch, progress)
    const taken = batch.records.map((_, index) => take(deps, paths, batch, index, decoded[index]!))
    const waiting = taken.filter((it) => 'item' in it)
    lap('decode')
    const cached = await deps.known.answer(waiting.map(({ item }) => item))
    const known = { tier: 'known', took_ms: lap('known'), items: waiting.length }
    const open = waiting.filter((_, index) => cached[index]?.kind !== 'answer')
    const unknown = open.filter(({ item }) => !mustStay(task, item))
    const kept = open.length - unknown.length
    if (kept > 0) emit('llm.kept-local', { task: task.name, items: kept })
    const verdicts = unknown.length > 0 ? await deps.askLlm(unknown, progress, turn) : []
    const llm = { tier: 'llm', took_ms: lap('llm'), items: unknown.length }
    // Only once committed: a batch that is read again must be asked again, or its labels would never be written.
    afterCommit(() =>
      deps.remember(
        unknown.map(({ item }) => item),
        verdicts.map((verdict) => (verdict.kind === 'answered' ? verdict.answer : undefined)),
      ),
    )
    const said = verdicts.values()
    const asked = new Set(unknown.map(({ item }) => item))
    const [near, far] = [writeWay([known]), writeWay([known, llm])]
    let position = 0
    const outcomes = taken.map((it): Outcome => {
      if (!('item' in it)) return it
      const replaced = it.provisional === undefined ? {} : { supersedes: it.provisional }
      const reply = cached[position++]
      if (reply?.kind === 'answer') return { kind: 'result', item: it.item, answer: reply.answer, ...replaced }
      if (mustStay(task, it.item)) return { kind: 'review', ...it, why: STAYS }
      const verdict = said.next().value!
      if (verdict.kind === 'answered') return { kind: 'result', item: it.item, answer: verdict.answer, ...replaced }
      return { kind: 'review', item: it.item, shortlist: verdict.shortlist, why: verdict.why }
    })
    const records: OutputRecord[] = await deps.outcomes.write(
      outcomes,
      (_, index) => batch.records[index],
      (outcome) => ('item' in outcome && asked.has(outcome.item) ? far : near),
    )
    const labels = await deps.labels.write(verdicts.filter(isLabel))
    const calls = await deps.calls.write(book(verdicts))
    lap('encode')
    countOutcomes(emit, task.name, outcomes)
    return [...records, ...labels, ...calls]
  }
}

/** What the LLM said of this very text. What it said of one nearly the same is a result, and teaches nothing. */
function isLabel(verdict: LlmResult): verdict is Extract<LlmResult, { kind: 'answered' }> {
  return verdict.kind === 'answered' && verdict.answer.tier !== 'similar'
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
