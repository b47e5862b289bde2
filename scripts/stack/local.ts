// The stack without containers: broker and Redis as child processes, and our own registry in this process.
import { startBroker } from './kafka.ts'
import { freePort } from './ports.ts'
import { startRedis } from './redis.ts'
import { startRegistry } from './registry.ts'
import type { LocalServer } from './server.ts'
import type { Stack, StackOptions } from './stack.ts'

export async function localStack(options: StackOptions): Promise<Stack> {
  const started = await Promise.allSettled([startBroker(options), startRedis(options.say)])
  const [broker, redis] = started
  if (broker.status === 'rejected' || redis.status === 'rejected') {
    await removeAll([valueOf(broker), valueOf(redis)])
    throw broker.status === 'rejected' ? broker.reason : (redis as PromiseRejectedResult).reason
  }
  const port = await freePort()
  const servers = [broker.value, redis.value]
  let registry = await startRegistry(broker.value.address, port).catch(async (error: unknown) => {
    await removeAll(servers)
    throw error
  })
  return {
    kafka: broker.value.address,
    registry: registry.address,
    ...(redis.value ? { redis: redis.value.address } : {}),
    killKafka: () => broker.value.kill(),
    startKafka: () => broker.value.start(),
    killRedis: async () => redis.value?.kill(),
    startRedis: async () => redis.value?.start(),
    killRegistry: () => registry.close(),
    async startRegistry() {
      registry = await startRegistry(broker.value.address, port)
    },
    async stop() {
      await removeAll(servers) // first, so that the registry's goodbye to the broker waits for nothing
      await registry.close()
    },
  }
}

function valueOf<T>(result: PromiseSettledResult<T>): T | undefined {
  return result.status === 'fulfilled' ? result.value : undefined
}

async function removeAll(servers: readonly (LocalServer | undefined)[]): Promise<void> {
  await Promise.all(servers.map((server) => server?.remove()))
}
