// One process: its roles on one runtime, its life, its events and its health pages. Wiring only.
import { systemClock } from '../adapters/clock.ts'
import type { Deployment } from '../adapters/config/load.ts'
import type { TaskFile } from '../adapters/config/tasks.ts'
import { createEvents } from '../adapters/events.ts'
import { serveHttp } from '../adapters/http/server.ts'
import { pinoLog } from '../adapters/log/pino.ts'
import { prometheusMetrics } from '../adapters/metrics/prometheus.ts'
import { SluiceError } from '../core/error.ts'
import { transition } from '../core/lifecycle.ts'
import type { Signal, State } from '../core/lifecycle.ts'
import { allOf } from '../engine/all-of.ts'
import { ROLES } from './roles.ts'
import { openRuntime } from './runtime.ts'
import type { Role, Runtime } from './runtime.ts'

export interface Process extends Role {
  /** Where the health pages and metrics are. */
  readonly url: string
}

/** Opens everything; throws what openRuntime throws, and SL105 where the address is taken. */
export async function openProcess(
  deployment: Deployment,
  roles: readonly string[],
  tasks: readonly TaskFile[],
): Promise<Process> {
  const { config } = deployment
  const log = pinoLog({ level: config.log.level, to: 'stderr', base: {} })
  const metrics = prometheusMetrics({ build: { version: '0.1.0', node: process.version }, withProcess: true })
  const emit = createEvents({ log, metrics, clock: systemClock })
  const role = roles.join('+')
  let state: State = 'starting'
  let degraded: () => readonly string[] = () => []
  const move = (signal: Signal): void => {
    const next = transition(state, signal)
    if (next === undefined) return
    state = next
    emit('lifecycle.changed', { role, state })
  }
  const is =
    (...states: State[]) =>
    () => ({ ok: states.includes(state), detail: [state, ...degraded()].join('; degraded: ') })
  const [live, ready, started] = [is('starting', 'running', 'draining'), is('running'), is('running', 'draining')]
  const http = await serveHttp({ ...config.http, live, ready, started, metrics })
  let runtime: Runtime | undefined
  const fail = (error: unknown): void => {
    emit('process.failed', { code: error instanceof SluiceError ? error.code : 'SL000' })
    move('failed')
    setTimeout(() => process.exit(1), config.shutdown_ms).unref() // whatever hangs must not keep a failed process
  }
  const close = async (): Promise<void> => {
    await runtime?.close()
    await http.close()
  }
  try {
    const opened = (runtime = await openRuntime(deployment, emit))
    const whole = allOf(await Promise.all(roles.map((name) => ROLES[name]!(opened, tasks, deployment.tasks))))
    degraded = () => [...whole.degraded(), ...(opened.cacheHealthy() ? [] : ['Redis does not answer'])]
    return {
      url: http.url,
      async run() {
        move('started')
        await whole.run(fail).finally(close)
        move('ended')
      },
      drain() {
        move('drain')
        return whole.drain()
      },
    }
  } catch (error) {
    fail(error)
    await close()
    throw error
  }
}
