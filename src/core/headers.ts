// The headers of the records that Sluice writes, readable by any client without Avro. A closed list, with what each means.
// docs/asyncapi.yaml is generated from it; a test checks that the engine writes these and no others.

/** On every record of results, fallback, reviews, dead-letters and labels. */
export const COMMON_HEADERS = {
  'sluice-item': 'topic/partition/offset/index of the item; unique within a task, the same in every replay',
  'sluice-task': 'the task that asked',
  'sluice-tier': 'who answered: exact, similar, local, llm or human; none where nobody did',
  'sluice-digest': 'names what produced the answer: model, label set, thresholds, prompt; none where nobody answered',
  ce_specversion: 'CloudEvents, Kafka binding, binary content mode: 1.0',
  ce_type: 'CloudEvents type: dev.sluice. and what the record is',
  ce_source: 'CloudEvents source: /sluice/ and the task',
  ce_id: 'CloudEvents id: the item',
} as const

/** Besides, on every record that is an outcome (not on labels). */
export const OUTCOME_HEADERS = {
  'sluice-outcome':
    'result, fallback, review or dead-letter: exactly one for each item and stage; or provisional, in the results beside a fallback: no outcome, and replaced by the one that follows',
} as const

/** Besides, on dead letters. */
export const DEAD_LETTER_HEADERS = {
  'sluice-reason': 'why it was refused: a reason of docs/errors.md',
  'sluice-detail': 'what and where, never the text itself',
  'sluice-source': 'topic/partition/offset of the input record',
} as const

/** On records of calls: these and no others. */
export const CALL_HEADERS = {
  'sluice-task': COMMON_HEADERS['sluice-task'],
  'sluice-state': 'reserved, settled, failed or booked: see schemas/call.avsc',
  ce_specversion: COMMON_HEADERS.ce_specversion,
  ce_type: 'CloudEvents type: dev.sluice.call',
  ce_source: COMMON_HEADERS.ce_source,
  ce_id: 'CloudEvents id: call and state',
} as const

/** Only where the input record had it, or where something was cut. */
export const OPTIONAL_HEADERS = {
  traceparent: 'W3C trace context of the input record, carried through',
  'sluice-way':
    'tiers that were asked, in order: tier:milliseconds/items, each of the whole batch; the last one answered, if any did',
  'sluice-cut': 'length in bytes of a value that was too long to keep whole',
} as const
