// How the stand-in misbehaves on command: what ends a call before there is an answer, and what spoils one.
import type { ServerResponse } from 'node:http'

export const MODES = [
  ...([
    'ok',
    '500',
    '429',
    '401',
    '400',
    'redirect',
    'hang',
    'reset',
    'malformed',
    'wrong-label',
    'missing-ids',
  ] as const),
  ...(['foreign-ids', 'length', 'refusal', 'huge', 'slow', 'not-json'] as const),
]
export type Mode = (typeof MODES)[number]

export interface Control {
  readonly mode: Mode
  /** Share of the calls that are struck, in [0, 1]; default 1. */
  readonly share?: number
  /** Sent as it stands in Retry-After, with 429 and 500. */
  readonly retryAfter?: string | number
}

type Answers = { id: string; label: string }[]

/** The faults that end a call before there is an answer; true where the response has been seen to. */
export function refuse(mode: Mode, control: Control, response: ServerResponse): boolean {
  const after = control.retryAfter === undefined ? {} : { 'retry-after': String(control.retryAfter) }
  if (mode === 'hang') return true
  if (mode === 'reset') response.destroy()
  else if (mode === 'redirect') response.writeHead(307, { location: 'http://169.254.169.254/latest/' }).end()
  else if (mode === 'not-json') response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>We are sorry</h1>')
  else if (mode === 'huge') huge(response)
  else if (/^\d+$/.test(mode)) json(response, Number(mode), { error: { message: `told to answer ${mode}` } }, after)
  return response.writableEnded || response.destroyed || mode === 'huge'
}

/** 50 MB without a content-length. */
function huge(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const chunk = Buffer.alloc(1_048_576, 32)
  let left = 50
  const more = () => {
    while (left-- > 0) if (!response.write(chunk)) return void response.once('drain', more)
    response.end()
  }
  more()
}

export function spoil(mode: Mode, answers: Answers): string {
  const whole = JSON.stringify({ answers })
  if (mode === 'malformed') return `\`\`\`json\n${whole.slice(0, -3)}`
  if (mode === 'length') return whole.slice(0, whole.length / 2)
  if (mode === 'wrong-label')
    return JSON.stringify({ answers: answers.map(({ id, label }) => ({ id, label: `${label} ` })) })
  if (mode === 'missing-ids') return JSON.stringify({ answers: answers.filter((_, at) => at % 2 === 0) })
  if (mode === 'foreign-ids')
    return JSON.stringify({ answers: answers.map(({ id, label }) => ({ id: `${Number(id) + 1}`, label })) })
  return whole
}

export function json(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}
