// When to leave Redis alone: after a failure nobody asks for a while, then one caller tries, and so on.
// Pure but for the one variable it holds; must never wait and never read a clock (times are passed in).
//
//   well ──failed──► resting ──admit, after `until`──► trying ──succeeded──► well
//                       ▲                                 │
//                       └───────────── failed ────────────┘   (each time resting twice as long, up to a cap)
//
//   A success while resting is a late one, from before the failure: it changes nothing.
//   connected: resting or trying ──► well, where the episode began with the loss of the connection.

const REST_MIN_MS = 1_000
const REST_MAX_MS = 10_000

type State =
  | { readonly kind: 'well' }
  | { readonly kind: 'resting'; readonly until: number; readonly rest_ms: number }
  | { readonly kind: 'trying'; readonly rest_ms: number }

export type Operation = 'connect' | 'get' | 'set'

/** From the first failure to the success that ended it. */
export interface Episode {
  readonly operation: Operation
  readonly started: number
  /** Keys that went without Redis. */
  skipped: number
}

export interface Circuit {
  readonly well: boolean
  /** May Redis be asked at `now`? Where not, `keys` are counted as skipped. Without a connection nobody may. */
  admit(now: number, isConnected: boolean, keys: number): boolean
  /** True when this failure began an episode. `keys` went without an answer. */
  failed(now: number, operation: Operation, keys: number): boolean
  /** The episode that this success ended, if it did. */
  succeeded(): Episode | undefined
  /** The connection is back: ends an episode that began with its loss, and no other. */
  connected(): Episode | undefined
}

export function createCircuit(): Circuit {
  let state: State = { kind: 'well' }
  let episode: Episode | undefined

  function end(): Episode | undefined {
    const ended = episode
    state = { kind: 'well' }
    episode = undefined
    return ended
  }

  return {
    get well() {
      return state.kind === 'well'
    },
    admit(now, isConnected, keys) {
      if (isConnected && state.kind === 'well') return true
      if (isConnected && state.kind === 'resting' && now >= state.until) {
        state = { kind: 'trying', rest_ms: state.rest_ms }
        return true
      }
      if (episode) episode.skipped += keys
      return false
    },
    failed(now, operation, keys) {
      if (state.kind === 'well') state = { kind: 'resting', until: now + REST_MIN_MS, rest_ms: REST_MIN_MS }
      else if (state.kind === 'trying') {
        const rest_ms = Math.min(state.rest_ms * 2, REST_MAX_MS)
        state = { kind: 'resting', until: now + rest_ms, rest_ms }
      }
      const begins = episode === undefined
      episode ??= { operation, started: now, skipped: 0 }
      episode.skipped += keys
      return begins
    },
    succeeded: () => (state.kind === 'trying' ? end() : undefined),
    connected: () => (episode?.operation === 'connect' ? end() : undefined),
  }
}
