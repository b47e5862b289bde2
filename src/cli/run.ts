// `sluice run ROLE…`: runs roles in this process until a signal; drains, then exits 0.
import { systemClock } from '../adapters/clock.ts'
import { createEvents } from '../adapters/events.ts'
import { serveHttp } from '../adapters/http/server.ts'
import { pinoLog } from '../adapters/log/pino.ts'
import { prometheusMetrics } from '../adapters/metrics/prometheus.ts'
import { SluiceError } from '../core/error.ts'
import { transition } from '../core/lifecycle.ts'
import type { Signal, State } from '../core/lifecycle.ts'
import { allOf } from '../engine/all-of.ts'
import { classifyRole } from '../roles/classify.ts'
import { fallbackRole } from '../roles/fallback.ts'
import { openRuntime } from '../roles/runtime.ts'
import type { Role, Runtime } from '../roles/runtime.ts'
import type { TaskFile } from '../adapters/config/tasks.ts'
import { load, parse } from './command.ts'

const ROLES: Readonly<Record<string, (runtime: Runtime, tasks: readonly TaskFile[]) => Role | Promise<Role>>> = {
  classify: classifyRole,
  fallback: fallbackRole,
}

const HELP = `usage: sluice run ROLE… [--task NAME] [--config FILE]

Roles: ${Object.keys(ROLES).join(', ')}. Several roles share one process.
  --task NAME   only this task (may be repeated; default: all of tasks.enabled)
SIGTERM or Ctrl-C drains: what is being handled is finished and committed. A second Ctrl-C ends at once.
`

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, { task: { type: 'string', multiple: true } })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const unknown = positionals.find((role) => !Object.hasOwn(ROLES, role))
  if (unknown !== undefined || positionals.length === 0)
    throw new SluiceError(
      'SL104',
      `${unknown ? `no role "${unknown}"` : 'which role?'}; roles: ${Object.keys(ROLES).join(', ')}`,
    )
  const deployment = await load(values.config)
  const { config } = deployment
  const missing = values.task?.find((name) => !deployment.tasks.some(({ task }) => task.name === name))
  if (missing !== undefined) throw new SluiceError('SL104', `no task "${missing}" in tasks.enabled`)
  const tasks = deployment.tasks.filter(({ task }) => values.task?.includes(task.name) ?? true)

  const log = pinoLog({ level: config.log.level, to: 'stderr', base: {} })
  const metrics = prometheusMetrics({ build: { version: '0.1.0', node: process.version }, withProcess: true })
  const emit = createEvents({ log, metrics, clock: systemClock })
  const role = positionals.join('+')
  let state: State = 'starting'
  const move = (signal: Signal): void => {
    const next = transition(state, signal)
    if (next === undefined) return
    state = next
    emit('lifecycle.changed', { role, state })
  }
  const is =
    (...states: State[]) =>
    () => ({ ok: states.includes(state), detail: state })
  const http = await serveHttp({
    ...config.http,
    live: is('starting', 'running', 'draining'),
    ready: is('running'),
    started: is('running', 'draining'),
    metrics,
  })
  let runtime: Runtime | undefined
  try {
    const opened = (runtime = await openRuntime(deployment, emit))
    const parts = await Promise.all(positionals.map((name) => ROLES[name]!(opened, tasks)))
    const whole = allOf(parts)
    const stop = drainOnSignal(config.shutdown_ms, () => {
      move('drain')
      return whole.drain()
    })
    move('started')
    await whole.run().finally(stop)
    move('ended')
    return 0
  } catch (error) {
    emit('process.failed', { code: error instanceof SluiceError ? error.code : 'SL000' })
    move('failed')
    throw error
  } finally {
    await runtime?.close()
    await http.close()
  }
}

/** Returns what takes the handlers away again. A drain that outlasts its time ends the process with 1. */
function drainOnSignal(shutdown_ms: number, drain: () => Promise<void>): () => void {
  let asked = false
  const onSignal = (): void => {
    if (asked) process.exit(1)
    asked = true
    setTimeout(() => {
      process.stderr.write(`sluice: not drained in ${shutdown_ms} ms; nothing uncommitted was lost\n`)
      process.exit(1)
    }, shutdown_ms).unref()
    void drain()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return () => {
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
  }
}
