// The stack in containers: the server services of docker-compose.yml, the real images, under a project name of its
// own and on free ports. Removed with its volumes at the end, by a guard too when this process is killed outright.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { root } from '../paths.ts'
import { cleanUpAtExit, guard, run, SetupError } from '../process.ts'
import { freePort } from './ports.ts'
import type { Stack, StackOptions } from './stack.ts'

const ENGINE_TIMEOUT_MS = 3_000
const UP_TIMEOUT_MS = 10 * 60_000
const DOWN_TIMEOUT_MS = 60_000
const LINES_SHOWN = 8
const GUARD = 'exec docker "$@" down --volumes --timeout 1'

/** Does an engine with compose answer here? */
export async function engineAnswers(): Promise<boolean> {
  const info = await run('docker', ['info'], { timeout_ms: ENGINE_TIMEOUT_MS })
  if (info.code !== 0) return false
  return (await run('docker', ['compose', 'version'], { timeout_ms: ENGINE_TIMEOUT_MS })).code === 0
}

export async function composeStack({ say }: StackOptions): Promise<Stack> {
  const [kafka, registry, redis] = [await freePort(), await freePort(), await freePort()]
  const env = {
    ...process.env,
    SLUICE_KAFKA_PORT: String(kafka),
    SLUICE_REGISTRY_PORT: String(registry),
    SLUICE_REDIS_PORT: String(redis),
  }
  const project = `sluice-${randomBytes(4).toString('hex')}`
  const base = ['compose', '--project-name', project, '--file', join(root, 'docker-compose.yml')]
  const compose = async (...args: string[]) => {
    const result = await run('docker', [...base, ...args], { cwd: root, env, timeout_ms: UP_TIMEOUT_MS })
    if (result.code === 0) return
    const said = result.output.trim().split('\n').slice(-LINES_SHOWN).join('\n    ')
    throw new SetupError(`docker compose ${args.join(' ')} failed; its last lines:\n    ${said}`)
  }
  const dismissGuard = guard(GUARD, base, { cwd: root, env })
  const down = ['down', '--volumes', '--timeout', '1']
  const forget = cleanUpAtExit(() => {
    spawnSync('docker', [...base, ...down], { cwd: root, env, stdio: 'ignore', timeout: DOWN_TIMEOUT_MS })
  })
  let stopping: Promise<void> | undefined
  const end = async () => {
    await compose(...down)
    forget()
    dismissGuard()
  }
  const stop = () => (stopping ??= end())

  say('starting Kafka, Redis and the registry with docker compose')
  try {
    await compose('up', '--detach', '--wait', 'kafka', 'redis', 'registry')
  } catch (error) {
    await stop().catch(() => {}) // what went wrong first is what matters
    throw error
  }
  const kill = (service: string) => () => compose('kill', service)
  const start = (service: string) => () => compose('up', '--detach', '--wait', '--no-recreate', '--no-deps', service)
  return {
    kafka: `127.0.0.1:${kafka}`,
    registry: `http://127.0.0.1:${registry}`,
    redis: `redis://127.0.0.1:${redis}`,
    killKafka: kill('kafka'),
    startKafka: start('kafka'),
    killRedis: kill('redis'),
    startRedis: start('redis'),
    killRegistry: kill('registry'),
    startRegistry: start('registry'),
    stop,
  }
}
