// One event → one metric and one log line. Shared by all roles; the vendors behind the two sinks are plugged in.
// Must never throw, wait, or let a flood of one event fill the disk: beyond LINES_A_SECOND_MAX its lines are counted
// and the next line says how many were left out. The metric counts them all.
import { EVENTS } from '../core/events.ts'
import type { EventFields, EventLevel, EventName } from '../core/events.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'

export interface EventLog {
  writes(level: EventLevel): boolean
  write(level: EventLevel, name: EventName, fields: EventFields): void
}

export interface EventMetrics {
  record(name: EventName, fields: EventFields): void
}

const LINES_A_SECOND_MAX = 20

export function createEvents(sinks: { log: EventLog; metrics: EventMetrics; clock: Clock }): Emit {
  const { log, metrics, clock } = sinks
  const windows = new Map<EventName, { second: number; lines: number; left_out: number }>()

  function write(level: EventLevel, name: EventName, fields: EventFields): void {
    const second = Math.floor(clock.elapsed() / 1_000)
    const window = windows.get(name) ?? { second, lines: 0, left_out: 0 }
    windows.set(name, window)
    if (window.second !== second) Object.assign(window, { second, lines: 0 })
    if (++window.lines > LINES_A_SECOND_MAX) window.left_out++
    else if (window.left_out === 0) log.write(level, name, fields)
    else {
      log.write(level, name, { ...fields, left_out: window.left_out })
      window.left_out = 0
    }
  }

  return (name, fields) => {
    try {
      metrics.record(name, fields)
      const { level } = EVENTS[name]
      if (log.writes(level)) write(level, name, fields)
    } catch {
      // A full disk or a closed pipe must not end up in the stream of items.
    }
  }
}
