// The judge of the fault tests: from the headers of the outcome records and the coordinates of the inputs alone it
// says what was lost, doubled, written ahead of the offset or put out of order. Pure; shares no code with src/.
import { placeOf } from './stack.ts'
import type { ReadRecord } from './log-reader.ts'

export interface Input {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** How many items the record holds: 1 for a product and for a record that cannot be read. */
  readonly items: number
}

export interface Report {
  /** Below the committed offset, without an outcome. */
  readonly lost: string[]
  /** With more than one outcome of a stage. */
  readonly doubled: string[]
  /** With an outcome, though the offset was not committed. */
  readonly ahead: string[]
  /** Behind a later one of the same input partition, in one partition of an outcome topic. */
  readonly outOfOrder: string[]
  /** Outcomes of what was never sent. */
  readonly foreign: string[]
}

/** What became of one thing that a stage had to see to. `position` is where it stood in its input partition. */
interface Charge {
  readonly id: string
  readonly place: string
  readonly position: readonly [offset: bigint, index: number]
}

const OUTCOMES = ['result', 'fallback', 'dead-letter', 'review'] as const
type Kind = (typeof OUTCOMES)[number]

interface Outcome {
  readonly kind: Kind
  readonly tier: string
  /** Of whom it speaks: topic/partition/offset/index. */
  readonly id: string
  readonly record: ReadRecord
}

export interface Evidence {
  readonly task: string
  readonly inputs: readonly Input[]
  /** Every record of the outcome topics, as a read_committed reader sees them. */
  readonly outcomes: readonly ReadRecord[]
  /** Committed offset of the stage's group by `topic/partition`; what is missing counts as 0. */
  readonly committed: ReadonlyMap<string, bigint>
}

/** The classify role: every item of every record below the committed offset has one of {result, fallback, dead-letter}. */
export function verifyClassify({ task, inputs, outcomes, committed }: Evidence): Report {
  const own = new Set(inputs.map(({ topic }) => topic))
  const ofTask = outcomesOf(task, outcomes).filter(({ id }) => own.has(topicOf(id)))
  const sent = new Set(ofTask.filter(({ kind }) => kind === 'fallback').map(({ id }) => id))
  const charges = inputs.flatMap(({ topic, partition, offset, items }) =>
    Array.from({ length: items }, (_, index): Charge => {
      const place = placeOf(topic, partition)
      return { id: `${place}/${offset}/${index}`, place, position: [offset, index] }
    }),
  )
  return judge(
    charges,
    ofTask.filter((outcome) => !isOfFallbackRole(outcome, sent)),
    committed,
  )
}

/**
 * The fallback role: every record of the fallback topic below the committed offset has one of {result, review,
 * dead-letter}. A dead letter of this role names the fallback record, not the item.
 */
export function verifyFallback(
  { task, outcomes, committed }: Omit<Evidence, 'inputs'>,
  labels: readonly ReadRecord[],
): Report {
  const ofTask = outcomesOf(task, outcomes)
  const sent = ofTask.filter(({ kind }) => kind === 'fallback').map(({ id, record }) => ({ id, record }))
  const ids = new Set(sent.map(({ id }) => id))
  const byPlace = new Map(sent.map(({ id, record }) => [`${placeOfRecord(record)}/${record.offset}/0`, id]))
  const charges = sent.map(({ id, record }): Charge => ({
    id,
    place: placeOfRecord(record),
    position: [record.offset, 0],
  }))
  const second = ofTask.flatMap((outcome) => {
    const refused = outcome.kind === 'dead-letter' ? byPlace.get(outcome.id) : undefined
    if (refused !== undefined) return [{ ...outcome, id: refused }]
    return isOfFallbackRole(outcome, ids) ? [outcome] : []
  })
  const report = judge(charges, second, committed)
  checkLabels(report, task, second, labels)
  return report
}

/** Every answer of the LLM left one label, and nothing else did. */
function checkLabels(report: Report, task: string, second: readonly Outcome[], labels: readonly ReadRecord[]): void {
  const answered = new Set(second.filter(({ kind, tier }) => kind === 'result' && tier === 'llm').map(({ id }) => id))
  const count = new Map<string, number>()
  for (const { headers } of labels)
    if (headers['sluice-task'] === task)
      count.set(headers['sluice-item']!, (count.get(headers['sluice-item']!) ?? 0) + 1)
  for (const id of answered) if (!count.has(id)) report.lost.push(`label of ${id}`)
  for (const [id, times] of count) {
    if (!answered.has(id)) report.foreign.push(`label of ${id}`)
    if (times > 1) report.doubled.push(`label of ${id} (${times} times)`)
  }
}

/** A result or review of something that was sent to the fallback topic; only classify answers with the local model. */
function isOfFallbackRole({ kind, tier, id }: Outcome, sent: ReadonlySet<string>): boolean {
  return kind === 'review' || (kind === 'result' && sent.has(id) && tier !== 'local')
}

function judge(
  charges: readonly Charge[],
  outcomes: readonly Outcome[],
  committed: ReadonlyMap<string, bigint>,
): Report {
  const report: Report = { lost: [], doubled: [], ahead: [], outOfOrder: [], foreign: [] }
  const byId = new Map(charges.map((charge) => [charge.id, charge]))
  const seen = Map.groupBy(outcomes, ({ id }) => id)
  for (const { id, place, position } of charges) {
    const found = seen.get(id) ?? []
    const done = position[0] < (committed.get(place) ?? 0n)
    if (done && found.length === 0) report.lost.push(id)
    if (found.length > 1) report.doubled.push(`${id} (${found.map(said).join(', ')})`)
    if (!done && found.length > 0) report.ahead.push(`${id} (${found.map(said).join(', ')})`)
  }
  const last = new Map<string, Charge>()
  for (const outcome of outcomes) {
    const charge = byId.get(outcome.id)
    if (charge === undefined) {
      report.foreign.push(`${outcome.id} (${said(outcome)})`)
      continue
    }
    const way = `${charge.place} in ${placeOfRecord(outcome.record)}`
    const before = last.get(way)
    if (before && isBefore(charge, before)) report.outOfOrder.push(`${charge.id} after ${before.id} (${said(outcome)})`)
    last.set(way, charge)
  }
  return report
}

function outcomesOf(task: string, records: readonly ReadRecord[]): Outcome[] {
  return records
    .filter(({ headers }) => headers['sluice-task'] === task)
    .map((record) => {
      const { headers } = record
      const kind = OUTCOMES.find((name) => name === headers['sluice-outcome'])
      if (kind === undefined || !headers['sluice-item'] || !headers['sluice-tier'])
        throw new Error(`${placeOfRecord(record)}/${record.offset} has not the headers of an outcome`)
      return { kind, tier: headers['sluice-tier'], id: headers['sluice-item'], record }
    })
}

const placeOfRecord = ({ topic, partition }: ReadRecord): string => placeOf(topic, partition)
const topicOf = (id: string): string => id.split('/', 1)[0]!
const said = ({ kind, record }: Outcome): string => `${kind} at ${placeOfRecord(record)}/${record.offset}`

function isBefore({ position: [offset, index] }: Charge, { position: [lastOffset, lastIndex] }: Charge): boolean {
  return offset < lastOffset || (offset === lastOffset && index < lastIndex)
}

const SHOWN = 5

/** One line a fault with its first offenders; undefined where there is none. */
export function faults(report: Report): string | undefined {
  const lines = Object.entries(report as unknown as Record<string, string[]>)
    .filter(([, offenders]) => offenders.length > 0)
    .map(([fault, offenders]) => {
      const more = offenders.length > SHOWN ? `, … ${offenders.length - SHOWN} more` : ''
      return `${fault} ${offenders.length}: ${offenders.slice(0, SHOWN).join(', ')}${more}`
    })
  return lines.length > 0 ? lines.join('\n') : undefined
}
