// docs/metrics.md and docs/errors.md: the closed tables of src/core, printed.
import { ERRORS } from '../../src/core/error.ts'
import { EVENTS } from '../../src/core/events.ts'
import type { EventSpec } from '../../src/core/events.ts'
import { REASONS } from '../../src/core/outcome.ts'
import { codes, page, table } from './page.ts'

const FROM = 'the tables in src/core'

export function renderMetrics(): string {
  const rows = Object.entries(EVENTS).map(([name, spec]: [string, EventSpec]) => {
    const { metric, labels, level, says } = spec
    const amount = metric.of === 'events' ? 'events' : `\`${metric.of}\``
    return [`\`${name}\``, level, says, `\`${metric.name}\``, metric.type, codes(labels) || '–', amount]
  })
  return page(
    'Events and metrics',
    FROM,
    'One event is one log line (JSON, field `event`) and one metric. A log line has the labels and the amount as fields, and sometimes more of them;',
    'of one event at most 20 lines a second are written, and the next line says how many were `left_out`. The metric counts them all.',
    'A metric has at most 1,000 label combinations; what comes after them is counted under `other`.',
    '',
    table(['event', 'level', 'what happened', 'metric', 'type', 'labels', 'adds up or shows'], rows),
    '',
    'Besides: `sluice_build_info` (always 1; labels `version`, `node`) and the process metrics of prom-client (`process_*`, `nodejs_*`).',
  )
}

export function renderErrors(): string {
  const errors = Object.entries(ERRORS).map(([code, { title, remedy }]) => [code, title, remedy])
  const reasons = Object.entries(REASONS).map(([reason, says]) => [`\`${reason}\``, says])
  return page(
    'Errors',
    FROM,
    'SL1xx configuration and usage · SL2xx Kafka · SL3xx schema registry · SL4xx LLM · SL5xx models, data, training.',
    '',
    table(['code', 'what happened', 'what to do'], errors),
    '',
    '## Why a record or an item is a dead letter',
    '',
    table(['reason', 'meaning'], reasons),
  )
}
