// Last half of an item's way: outcomes → records with headers that any client can read without Avro.
// Order is kept; one record per outcome, and a label beside each answer of the LLM.
import type { Answer } from '../core/answer.ts'
import type { GateMiss } from '../core/gate.ts'
import { itemId } from '../core/item.ts'
import type { Item, Source } from '../core/item.ts'
import type { DeadLetter, Outcome } from '../core/outcome.ts'
import type { Task } from '../core/task.ts'
import type { Codec } from '../ports/codec.ts'
import type { Headers, InputRecord, OutputRecord } from '../ports/stream.ts'

/** Names on the broker. */
export interface OutcomeTopics {
  readonly results: string
  readonly fallback: string
  readonly reviews: string
  readonly deadLetters: string
}

export interface OutcomeWriter {
  /**
   * The records of a batch's outcomes, in the outcomes' order. `inputOf` finds the record that an outcome came from: its
   * trace context is carried through, and dead letters keep its bytes. `wayOf`: see core/way.ts.
   */
  write(
    outcomes: readonly Outcome[],
    inputOf: (source: Source, index: number) => InputRecord | undefined,
    wayOf?: (outcome: Outcome) => string,
  ): Promise<OutputRecord[]>
}

const NONE = 'none'

/** What a dead letter keeps of its record: with both and its headers it stays under max.message.bytes of the topic. */
const VALUE_BYTES_MAX = 1_500_000
const KEY_BYTES_MAX = 100_000
/** W3C trace context, version 00, takes 55; later versions may be longer. */
const TRACE_CHARS_MAX = 256

/** No outcome, but a word in advance: the item's outcome is still to come, and replaces it. */
interface Provisional {
  readonly kind: 'provisional'
  readonly item: Item
  readonly answer: Answer
}

export interface OutcomeOptions {
  /**
   * What goes to the fallback gets its best answer so far as well, in the results, marked provisional. It is in the same
   * transaction and in the same partition as the answer that replaces it, so that it is there once, and always before it.
   */
  readonly provisional: boolean
}

export function createOutcomeWriter(
  task: Task,
  topics: OutcomeTopics,
  codec: Codec,
  { provisional }: OutcomeOptions = { provisional: false },
): OutcomeWriter {
  const { results, fallback, reviews } = topics
  const topicOf = { result: results, provisional: results, fallback, review: reviews } as const
  const headers = headersFor(task.name)

  function withProvisional(outcome: Outcome): readonly (Outcome | Provisional)[] {
    if (outcome.kind !== 'fallback' || !provisional || !outcome.best) return [outcome]
    return [outcome, { kind: 'provisional', item: outcome.item, answer: outcome.best }]
  }

  return {
    async write(outcomes, inputOf, wayOf) {
      const all = outcomes.flatMap((outcome, index) => withProvisional(outcome).map((it) => ({ outcome: it, index })))
      const values = new Map<string, object[]>([results, fallback, reviews].map((topic) => [topic, []]))
      for (const { outcome } of all)
        if (outcome.kind !== 'dead-letter') values.get(topicOf[outcome.kind])!.push(valueOf(task, outcome, provisional))
      const encoded = new Map<string, ArrayIterator<Buffer>>()
      for (const [topic, own] of values) encoded.set(topic, (await encodeAll(codec, topic, own)).values())
      return all.map(({ outcome, index }): OutputRecord => {
        if (outcome.kind === 'dead-letter') return deadLetter(outcome, inputOf(outcome.source, index), topics, headers)
        const { item, kind } = outcome
        const answer = 'answer' in outcome ? outcome.answer : undefined
        const trace = traceOf(inputOf(item.source, index))
        return {
          topic: topicOf[kind],
          key: answer ? item.entity : kind === 'fallback' ? item.textHash : item.id,
          value: encoded.get(topicOf[kind])!.next().value!,
          headers: headers(
            kind,
            item.id,
            answer?.tier ?? NONE,
            answer?.digest ?? NONE,
            trace,
            kind === 'provisional' ? undefined : wayOf?.(outcome),
          ),
        }
      })
    },
  }
}

async function encodeAll(codec: Codec, topic: string, values: readonly object[]): Promise<readonly Buffer[]> {
  return values.length === 0 ? [] : codec.encode(topic, values)
}

/** CloudEvents 1.0 Kafka protocol binding, binary content mode, beside Sluice's own. */
function headersFor(task: string) {
  const fixed = { 'sluice-task': Buffer.from(task), ce_specversion: Buffer.from('1.0') }
  const perKind = new Map<string, Headers>()
  const fixedFor = (kind: string): Headers => {
    let found = perKind.get(kind)
    if (!found) {
      found = {
        ...fixed,
        'sluice-outcome': Buffer.from(kind),
        ce_type: Buffer.from(`dev.sluice.${kind}`),
        ce_source: Buffer.from(`/sluice/${task}/${kind}`),
      }
      perKind.set(kind, found)
    }
    return found
  }
  return (kind: string, item: string, tier: string, digest: string, trace?: Buffer | string, way?: string): Headers => {
    const id = Buffer.from(item)
    const all: Record<string, Buffer | string> = {
      ...fixedFor(kind),
      'sluice-item': id,
      'sluice-tier': tier,
      'sluice-digest': digest,
      ce_id: id,
    }
    if (trace !== undefined) all['traceparent'] = trace
    if (way !== undefined) all['sluice-way'] = way
    return all
  }
}

function deadLetter(
  letter: DeadLetter,
  raw: InputRecord | undefined,
  topics: OutcomeTopics,
  headers: ReturnType<typeof headersFor>,
): OutputRecord {
  const { source, index, reason, detail } = letter
  const where = `${source.topic}/${source.partition}/${source.offset}`
  const [key, value] = [raw?.key ?? null, raw?.value ?? null]
  return {
    topic: topics.deadLetters,
    key: key !== null && key.length <= KEY_BYTES_MAX ? key : where,
    value: value !== null && value.length > VALUE_BYTES_MAX ? value.subarray(0, VALUE_BYTES_MAX) : value,
    headers: {
      ...headers('dead-letter', itemId(source, index), NONE, NONE, traceOf(raw)),
      'sluice-reason': reason,
      'sluice-detail': detail,
      'sluice-source': where,
      ...(value !== null && value.length > VALUE_BYTES_MAX ? { 'sluice-cut': String(value.length) } : {}),
    },
  }
}

/** A header longer than any trace context is not carried through to every item of its record. */
function traceOf(raw: InputRecord | undefined): Buffer | string | undefined {
  const trace = raw?.headers['traceparent']
  return trace !== undefined && trace.length <= TRACE_CHARS_MAX ? trace : undefined
}

function valueOf(task: Task, outcome: Exclude<Outcome, DeadLetter> | Provisional, provisional: boolean): object {
  const { item } = outcome
  const base = { item: item.id, task: item.task, entity: item.entity, source: sourceValue(item.source) }
  switch (outcome.kind) {
    case 'provisional':
    case 'result': {
      const { label, probabilities, tier, digest } = outcome.answer
      const supersedes = outcome.kind === 'result' ? (outcome.supersedes ?? null) : null
      return { ...base, label, probabilities, tier, digest, supersedes, provisional: outcome.kind === 'provisional' }
    }
    case 'fallback':
      return {
        ...base,
        segments: segmentsOf(task, item),
        shortlist: outcome.shortlist,
        why: missValue(outcome.why),
        tenant: item.tenant ?? null,
        provisional: provisional ? (outcome.best?.digest ?? null) : null,
      }
    case 'review':
      return { ...base, segments: segmentsOf(task, item), shortlist: outcome.shortlist, why: outcome.why }
  }
}

export function segmentsOf(task: Task, item: Item): { name: string; text: string }[] {
  return task.segments.map(({ name }, index) => ({ name, text: item.segments[index] ?? '' }))
}

export function sourceValue(source: Source): object {
  return {
    topic: source.topic,
    partition: source.partition,
    offset: Number(source.offset),
    timestamp: source.timestamp_ms,
  }
}

const NO_ANSWER = { kind: 'no_answer', level: 0, probability: 0, threshold: 0, probabilities: [], thresholds: [] }

function missValue(why: GateMiss): object {
  return why.kind === 'below' ? why : NO_ANSWER
}
