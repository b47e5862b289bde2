// Loaded into a child process before Sluice (`node --import`): ends or freezes the process at a named point of the
// Kafka protocol, which a signal from outside hits only by luck. It counts the requests of one kind that go out.
import { Socket } from 'node:net'
import type { SluiceOptions } from './sluice.ts'

/** Kafka protocol, "Api Keys". */
const API_KEYS = { Produce: 0, InitProducerId: 22, EndTxn: 26, TxnOffsetCommit: 28 } as const

export interface FaultPoint {
  readonly request: keyof typeof API_KEYS
  /** Which request of this kind, counted from 1. */
  readonly nth: number
  /** `after`: the request is on its way, its answer is not read any more. */
  readonly when: 'before' | 'after'
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

const VARIABLE = 'SLUICE_TEST_FAULT'

/** What a process is started with to meet its end there. */
export function faultAt(point: FaultPoint): SluiceOptions {
  return { preload: [import.meta.url], env: { [VARIABLE]: JSON.stringify(point) } }
}

const given = process.env[VARIABLE]
if (given !== undefined) arm(JSON.parse(given) as FaultPoint)

function arm({ request, nth, when, signal }: FaultPoint): void {
  const key = API_KEYS[request]
  const write = Socket.prototype.write
  let seen = 0
  // oxlint-disable-next-line typescript/no-explicit-any -- hands through whatever write takes
  Socket.prototype.write = function (this: Socket, ...args: any[]) {
    const hit = isRequest(args[0], key) && ++seen === nth
    if (hit && when === 'before') process.kill(process.pid, signal)
    const written = write.apply(this, args as Parameters<typeof write>)
    if (hit && when === 'after') process.kill(process.pid, signal)
    return written
  }
}

/** A request is its size (int32) and its API key (int16), then the rest; kafkajs writes each in one piece. */
function isRequest(chunk: unknown, key: number): boolean {
  return (
    Buffer.isBuffer(chunk) &&
    chunk.length > 8 &&
    chunk.readInt32BE(0) === chunk.length - 4 &&
    chunk.readInt16BE(4) === key
  )
}
