// A process's life. Each transition is one event (lifecycle.changed).
//
//   from      started    drain      ended     failed
//   starting  running    draining   stopped   failed
//   running   –          draining   stopped   failed
//   draining  –          –          stopped   failed
//   stopped   –          –          –         –
//   failed    –          –          –         –

export type State = 'starting' | 'running' | 'draining' | 'stopped' | 'failed'
export type Signal = 'started' | 'drain' | 'ended' | 'failed'

const TABLE: Readonly<Record<State, Partial<Record<Signal, State>>>> = {
  starting: { started: 'running', drain: 'draining', ended: 'stopped', failed: 'failed' },
  running: { drain: 'draining', ended: 'stopped', failed: 'failed' },
  draining: { ended: 'stopped', failed: 'failed' },
  stopped: {},
  failed: {},
}

/** The state after the signal; undefined where the signal means nothing in this state. */
export function transition(state: State, signal: Signal): State | undefined {
  return TABLE[state][signal]
}
