// The servers start, break and end as the tests rely on. Each test that breaks a server has a stack of its own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { startStack } from '../../scripts/stack/stack.ts'

const holder = join(dirname(fileURLToPath(import.meta.url)), 'hold-stack.ts')

const addressesOf = (stack: { kafka: string; registry: string; redis?: string }) =>
  [stack.kafka, new URL(stack.registry).host, stack.redis && new URL(stack.redis).host].filter(
    (host) => host !== undefined,
  )

async function answers(address: string): Promise<boolean> {
  const [host = '', port] = address.split(':')
  const socket = connect({ host, port: Number(port) })
  const connected = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]).catch(() => false)
  socket.destroy()
  return connected
}

async function noneAnswers(addresses: readonly string[]): Promise<boolean> {
  const deadline = performance.now() + 30_000
  while (performance.now() < deadline) {
    if ((await Promise.all(addresses.map(answers))).every((up) => !up)) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

it('a stack answers on all its addresses and leaves nothing behind when it is stopped', async () => {
  const stack = await startStack()
  const addresses = addressesOf(stack)
  for (const address of addresses) assert.ok(await answers(address), `${address} answers`)
  await stack.stop()
  await stack.stop()
  assert.ok(await noneAnswers(addresses))
})

it('a stack dies with its process, even on kill -9', async () => {
  const child = spawn(process.execPath, [...process.execArgv, holder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const addresses = addressesOf(JSON.parse(line))
  for (const address of addresses) assert.ok(await answers(address), `${address} answers`)
  child.kill('SIGKILL')
  assert.ok(await noneAnswers(addresses))
})

it('a broker that was killed comes back on its port with its data', async () => {
  const stack = await startStack()
  const kafka = new Kafka({ brokers: [stack.kafka], logLevel: logLevel.NOTHING, retry: { retries: 15 } })
  const admin = kafka.admin()
  const producer = kafka.producer()
  await Promise.all([admin.connect(), producer.connect()])
  // Not `waitForLeaders`: it may throw on a broker that has just started. The producer tries again until there is one.
  await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: false })
  await producer.send({ topic: 'kept', messages: [{ key: 'k', value: 'v' }] })
  await stack.killKafka()
  assert.ok(!(await answers(stack.kafka)))
  await stack.startKafka()
  const [partition] = await admin.fetchTopicOffsets('kept')
  assert.equal(partition?.high, '1')
  await Promise.all([admin.disconnect(), producer.disconnect()])
  await stack.stop()
})

it('Redis can be killed and started again', async (t) => {
  const stack = await startStack()
  const address = stack.redis && new URL(stack.redis).host
  if (address) {
    await stack.killRedis()
    assert.ok(!(await answers(address)))
    await stack.startRedis()
    assert.ok(await answers(address))
  } else t.skip('no redis-server on this machine')
  await stack.stop()
})
