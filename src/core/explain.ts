// The whole way of an item, put together from the records that it left: what each role wrote of it, in the order in which it
// was written, what it cost, and what came after it. Pure: finding the records is the caller's business. What a record does
// not say is left out, never guessed.
import { readCall } from './llm/ledger.ts'
import { readWay } from './way.ts'
import type { Asked } from './way.ts'

/** A record as it was found: header texts, and the decoded value (empty where there is none, or none of ours). */
export interface Evidence {
  /** Alias of its topic: results, fallback, reviews, labels, dead-letters, calls. */
  readonly kind: string
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly timestamp_ms: number
  readonly headers: Readonly<Record<string, string>>
  readonly value: Fields
}

type Fields = Readonly<Record<string, unknown>>

export interface GateLevel {
  readonly level: number
  readonly probability: number
  /** Absent where the record does not say what was needed then. */
  readonly threshold?: number
  readonly cleared?: boolean
}

export interface Step {
  readonly role: 'classify' | 'fallback'
  /** When it was written, milliseconds since the epoch, and where. */
  readonly at_ms: number
  readonly record: string
  readonly asked: readonly Asked[]
  readonly outcome: string
  /** Of a result, a provisional one too: it is replaced by what the fallback says. */
  readonly answer?: { readonly label: string; readonly tier: string; readonly digest: string }
  /** One row a level of the answer that came before the gate; empty for answers that were asserted. */
  readonly gate: readonly GateLevel[]
  readonly shortlist: readonly { readonly label: string; readonly probability: number }[]
  /** Of what is no result: in the record's own words. */
  readonly why?: string
}

export interface Paid {
  /** Who answered: llm, human; exact: this item waited for an equal text that was being asked about. */
  readonly by: string
  readonly who: string
  readonly prompt: string
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costUsd: number
}

export interface ExplainedCall {
  readonly id: string
  readonly state: string
  readonly provider: string
  readonly model: string
  readonly costUsd: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** Items that ended with it, this one among them. */
  readonly items: number
}

/** Another result of the same entity. */
export interface Other {
  readonly item: string
  readonly label: string
  readonly tier: string
  readonly record: string
}

export interface Explanation {
  readonly item: string
  readonly task: string
  readonly entity?: string
  /** Oldest first. */
  readonly steps: readonly Step[]
  readonly paid?: Paid
  readonly calls: readonly ExplainedCall[]
  /** The result that counts now in this one's place: of a later record of the entity, or of a later answer to this one. */
  readonly supersededBy?: Other
  readonly supersedes: readonly Other[]
}

/** One for each task that left something of the item. `found` may hold results of other items of the same entities. */
export function explain(item: string, found: readonly Evidence[]): Explanation[] {
  const own = found.filter(({ headers }) => headers['sluice-item'] === item)
  const tasks = [...new Set(own.map(({ headers }) => headers['sluice-task'] ?? ''))].sort()
  return tasks.map((task) => {
    const mine = own.filter(({ headers }) => headers['sluice-task'] === task)
    const entity = mine.map(({ value }) => value['entity']).find((it) => typeof it === 'string')
    const steps = mine
      .filter(({ headers }) => headers['sluice-outcome'] !== undefined)
      .map((record) => stepOf(record, mine))
      .sort((a, b) => a.at_ms - b.at_ms || a.role.localeCompare(b.role))
    // Their topic is compacted: of a key the last one counts.
    const label = mine
      .filter(({ kind }) => kind === 'labels')
      .toSorted(byArrival)
      .at(-1)
    return {
      item,
      task,
      ...(entity === undefined ? {} : { entity }),
      steps,
      ...(label ? { paid: paidOf(label.value) } : {}),
      calls: callsOf(found, task, item),
      ...relatives(found, mine, task, entity),
    }
  })
}

function stepOf({ kind, headers, value, timestamp_ms, ...where }: Evidence, mine: readonly Evidence[]): Step {
  const asked = readWay(headers['sluice-way'] ?? '')
  const outcome = headers['sluice-outcome']!
  const isOfFallback =
    outcome === 'review' ||
    (outcome === 'result' &&
      (asked[0]?.tier === 'known' || (asked.length === 0 && isAfterFallback(mine, timestamp_ms))))
  const why = kind === 'dead-letters' ? reasonOf(headers) : value['why']
  return {
    role: isOfFallback ? 'fallback' : 'classify',
    at_ms: timestamp_ms,
    record: placeOf(where),
    asked,
    outcome,
    ...(kind === 'results' ? { answer: answerOf(value) } : {}),
    gate: kind === 'results' ? levels(numbers(value['probabilities']), []) : gateOf(fieldsOf(value['why'])),
    shortlist: list(value['shortlist']).map((it) => ({
      label: pathOf(fieldsOf(it)['label']),
      probability: Number(fieldsOf(it)['probability']),
    })),
    ...(typeof why === 'string' ? { why } : outcome === 'fallback' ? { why: missOf(fieldsOf(why)) } : {}),
  }
}

/** Records of before the header `sluice-way`: a result that came later than the item was sent on is the fallback's. */
function isAfterFallback(mine: readonly Evidence[], at_ms: number): boolean {
  return mine.some(({ kind, timestamp_ms }) => kind === 'fallback' && timestamp_ms <= at_ms)
}

function gateOf(why: Fields): GateLevel[] {
  if (why['kind'] !== 'below') return []
  const probabilities = numbers(why['probabilities'])
  if (probabilities.length > 0) return levels(probabilities, numbers(why['thresholds']))
  const [level, probability, threshold] = ['level', 'probability', 'threshold'].map((name) => Number(why[name]))
  return [{ level: level!, probability: probability!, threshold: threshold!, cleared: false }]
}

function levels(probabilities: readonly number[], thresholds: readonly number[]): GateLevel[] {
  return probabilities.map((probability, at) => {
    const threshold = thresholds[at]
    const level = { level: at + 1, probability }
    return threshold === undefined ? level : { ...level, threshold, cleared: probability >= threshold }
  })
}

function missOf(why: Fields): string {
  return why['kind'] === 'below' ? `level ${String(why['level'])} was not sure enough` : 'no tier had an answer'
}

function reasonOf(headers: Evidence['headers']): string {
  return [headers['sluice-reason'], headers['sluice-detail']].filter((it) => it !== undefined && it !== '').join(': ')
}

function paidOf(value: Fields): Paid {
  return {
    by: String(value['by']),
    who: String(value['who']),
    prompt: String(value['digest']),
    inputTokens: Number(value['inputTokens'] ?? 0),
    outputTokens: Number(value['outputTokens'] ?? 0),
    costUsd: Number(value['costUsd'] ?? 0),
  }
}

function callsOf(found: readonly Evidence[], task: string, item: string): ExplainedCall[] {
  const last = new Map<string, ExplainedCall>()
  for (const { kind, value } of found) {
    const call = kind === 'calls' ? readCall(value) : undefined
    if (call === undefined || call.task !== task || !call.items.includes(item)) continue
    const { id, state, provider, model, costUsd, inputTokens, outputTokens, items } = call
    last.set(id, { id, state, provider, model, costUsd, inputTokens, outputTokens, items: items.length })
  }
  return [...last.values()]
}

/** Whoever keeps the latest result of an entity compares sources, not arrival; of one source the later record counts. */
function relatives(
  found: readonly Evidence[],
  mine: readonly Evidence[],
  task: string,
  entity: string | undefined,
): Pick<Explanation, 'supersededBy' | 'supersedes'> {
  const own = mine.filter(({ kind }) => kind === 'results').toSorted(byArrival)
  const results = found
    .filter(({ kind, headers }) => kind === 'results' && headers['sluice-task'] === task)
    .filter((it) => own.includes(it) || (entity !== undefined && it.value['entity'] === entity))
    .toSorted((a, b) => bySource(a, b) || byArrival(a, b))
  const last = own.at(-1)
  if (last === undefined) return { supersedes: [] }
  const at = results.indexOf(last)
  const latest = results.at(-1)!
  return {
    ...(latest === last ? {} : { supersededBy: otherOf(latest) }),
    supersedes: results.slice(0, at).map(otherOf),
  }
}

function byArrival(a: Evidence, b: Evidence): number {
  return a.timestamp_ms - b.timestamp_ms || Number(a.offset) - Number(b.offset)
}

function bySource(a: Evidence, b: Evidence): number {
  const [one, other] = [fieldsOf(a.value['source']), fieldsOf(b.value['source'])]
  const isSamePartition = one['topic'] === other['topic'] && one['partition'] === other['partition']
  const difference = (name: string) => Number(one[name]) - Number(other[name])
  return isSamePartition ? difference('offset') : difference('timestamp')
}

function otherOf(record: Evidence): Other {
  const { label, tier } = answerOf(record.value)
  return { item: record.headers['sluice-item'] ?? '', label, tier, record: placeOf(record) }
}

function answerOf(value: Fields) {
  return { label: pathOf(value['label']), tier: String(value['tier']), digest: String(value['digest']) }
}

function placeOf({ topic, partition, offset }: Pick<Evidence, 'topic' | 'partition' | 'offset'>): string {
  return `${topic}/${partition}/${offset}`
}

function pathOf(path: unknown): string {
  return list(path).map(String).join(' > ')
}

function numbers(value: unknown): number[] {
  return list(value).map(Number)
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}
