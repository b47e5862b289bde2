// Log lines: JSON, one a line, by pino. Written synchronously to a file descriptor, so that the last words of a process
// that dies are not lost. Must never print product text, keys or tokens: events do not carry them, and what looks like
// a secret by its name is replaced all the same.
import { destination, pino } from 'pino'
import type { EventLevel } from '../../core/events.ts'
import type { EventLog } from '../events.ts'

const SECRET_NAMES = ['password', 'token', 'secret', 'authorization', 'apiKey', 'api_key', 'text', 'segments']

export interface LogOptions {
  readonly level: EventLevel | 'silent'
  readonly to: 'stdout' | 'stderr'
  /** Fields of every line: the role, the instance. */
  readonly base: Readonly<Record<string, string>>
}

export function pinoLog({ level, to, base }: LogOptions): EventLog {
  const stream = destination({ fd: to === 'stdout' ? 1 : 2, sync: true })
  // A reader that went away (a closed pipe) is no reason to die.
  stream.on('error', () => {})
  const logger = pino(
    {
      level,
      base,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_NAMES, censor: '[redacted]' },
    },
    stream,
  )
  return {
    writes: (at) => logger.isLevelEnabled(at),
    write: (at, name, fields) => logger[at](fields, name),
  }
}
