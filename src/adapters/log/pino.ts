// Log lines: JSON, one a line, by pino. Written synchronously to a file descriptor, so that the last words of a process
// that dies are not lost. Must never print product text, keys or tokens: events do not carry them, and what looks like
// a secret by its name or its shape (in a vendor's error message) is replaced all the same.
import { destination, pino } from 'pino'
import type { EventFields, EventLevel } from '../../core/events.ts'
import type { EventLog } from '../events.ts'

const SECRET_NAMES = ['password', 'token', 'secret', 'authorization', 'apiKey', 'api_key', 'text', 'segments']

/** API keys, bearer tokens, and user and password in an address. */
const SECRET_SHAPES = /\b(?:sk|pk|key|rk)-[\w*.-]{4,}|\bBearer\s+\S+|(?<=:\/\/)[^\s/@]+(?=@)/gi

/** Longer values are cut: a line says where and what, it does not quote. */
const VALUE_LENGTH_MAX = 500

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
    write: (at, name, fields) => logger[at](cleaned(fields), name),
  }
}

function cleaned(fields: EventFields): EventFields {
  const kept: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(fields))
    kept[name] =
      typeof value === 'string' ? value.slice(0, VALUE_LENGTH_MAX).replace(SECRET_SHAPES, '[redacted]') : value
  return kept
}
