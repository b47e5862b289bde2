// The pure half of the provider's Batch API: which calls are still to be heard, round by round, and how they are parted.
// A round is every call that `plan` asks for; the next one begins when all of it was heard, so that the same answers always
// lead to the same calls, whatever was interrupted in between.
import { fold, plan } from './asking.ts'
import { addUsage, NO_USAGE, shareUsage } from './usage.ts'
import type { Asking, Call, Heard } from './asking.ts'
import type { LlmUsage } from './usage.ts'

export interface HeardCall {
  readonly heard: Heard
  readonly usage: LlmUsage
  readonly costUsd: number
}

export interface Keyed<Request> {
  readonly key: string
  readonly request: Request
}

/** What one question took: its share of its calls. */
export interface Spent extends LlmUsage {
  readonly calls: number
  readonly costUsd: number
}

export interface Rounds<Request> {
  /** What is known so far: verdicts of the round that is still open included. */
  readonly asking: Asking
  /** From 1; of the calls that are missing, or the last one. */
  readonly round: number
  /** Calls of the open round that were not heard; empty when all questions have their verdict. */
  readonly missing: readonly Keyed<Request>[]
  /** One per question. */
  readonly spent: readonly Spent[]
}

/** `render`: the request of a call and the key that it is known by, the same for the same round and call. */
export function replayRounds<Request>(
  start: Asking,
  render: (asking: Asking, call: Call, round: number) => Keyed<Request>,
  heardOf: (key: string) => HeardCall | undefined,
): Rounds<Request> {
  let asking = start
  const spent = start.questions.map((): Spent => ({ ...NO_USAGE, calls: 0, costUsd: 0 }))
  for (let round = 1; ; round++) {
    const calls = plan(asking)
    if (calls.length === 0) return { asking, round: Math.max(1, round - 1), missing: [], spent }
    const asked = asking
    const missing: Keyed<Request>[] = []
    for (const call of calls) {
      const keyed = render(asked, call, round)
      const known = heardOf(keyed.key)
      if (known === undefined) {
        missing.push(keyed)
        continue
      }
      asking = fold(asking, call, known.heard).asking
      const shares = shareUsage(known.usage, call.questions.length)
      call.questions.forEach((question, at) => {
        const before = spent[question]!
        spent[question] = {
          ...addUsage(before, shares[at]!),
          calls: before.calls + 1,
          costUsd: before.costUsd + known.costUsd / call.questions.length,
        }
      })
    }
    if (missing.length > 0) return { asking, round, missing, spent }
  }
}

export interface PartLimits {
  readonly requests_max: number
  readonly bytes_max: number
}

/** In order; each part holds at least one, and is within both limits unless a single one is not. */
export function partsOf<T>(all: readonly T[], bytesOf: (one: T) => number, limits: PartLimits): T[][] {
  const parts: T[][] = []
  let bytes = 0
  for (const one of all) {
    const size = bytesOf(one)
    const last = parts.at(-1)
    if (last === undefined || last.length >= limits.requests_max || bytes + size > limits.bytes_max) {
      parts.push([one])
      bytes = size
    } else {
      last.push(one)
      bytes += size
    }
  }
  return parts
}
