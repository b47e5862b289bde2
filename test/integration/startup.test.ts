// What stands in the way of a start is said in two lines: what and where, then what to do about it; in finite time, with
// an exit code that is not 0, and never with a stack trace.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createDeployment } from '../support/deployment.ts'
import type { DeploymentOptions, TestDeployment } from '../support/deployment.ts'
import { startBlackHole } from '../support/redis.ts'
import { sluice } from '../support/sluice.ts'
import { noStack } from '../support/stack.ts'

const FINITE_MS = 40_000
const NOBODY = '127.0.0.1:1'
const made: TestDeployment[] = []
after(async () => {
  for (const deployment of made) await deployment.remove()
})

async function deployed(settings: DeploymentOptions['settings'] = {}, apply = false): Promise<TestDeployment> {
  const deployment = await createDeployment('startup', { tasks: ['taxonomy'], settings, withoutModel: true })
  made.push(deployment)
  if (apply) await deployment.apply()
  return deployment
}

/** Starts both roles and expects them not to come up. */
async function refuses(deployment: TestDeployment, says: readonly RegExp[], exit = 1): Promise<void> {
  const began = performance.now()
  const { code, text } = await sluice(['run', 'classify', 'fallback', '--config', deployment.config])
  const took_ms = performance.now() - began
  assert.equal(code, exit, text)
  for (const words of says) assert.match(text, words)
  assert.match(text, /^ {2}what to do: \S/m)
  assert.doesNotMatch(text, /^\s+at /m, 'a stack trace')
  assert.doesNotMatch(text, /node:internal|KafkaJS\w*Error/)
  assert.ok(took_ms < FINITE_MS, `it took ${Math.round(took_ms)} ms`)
}

describe('sluice run without what it needs', () => {
  test('names the configuration key that is misspelt, with its line and the one that was meant', async () => {
    const deployment = await deployed({ delivery: 'exactly_once', shutdwn_ms: 5 })
    await refuses(deployment, [/SL101 .*sluice\.yaml:\d+: .*shutdwn_ms/, /did you mean "?shutdown_ms/], 2)
  })

  test('names a threshold outside 0 to 1', async () => {
    const deployment = await createDeployment('startup', { tasks: ['taxonomy'], gates: { taxonomy: [0.5, 1.5, 0.5] } })
    made.push(deployment)
    await refuses(deployment, [/SL101 .*task\.yaml:\d+: .*gate\.thresholds/], 2)
  })

  test('names the model file that is damaged, cut or missing', { skip: noStack }, async () => {
    const deployment = await deployed({}, true)
    const champion = join(deployment.folder, 'tasks', 'taxonomy', 'champion')
    await mkdir(champion)
    await writeFile(join(champion, 'manifest.json'), JSON.stringify(MANIFEST))
    const model = join(champion, 'model.onnx')
    await refuses(deployment, [/SL501 .*model\.onnx/, /missing/])
    await writeFile(model, 'abc')
    await refuses(deployment, [/SL501 .*model\.onnx: 3 bytes, the manifest says 4/])
    await writeFile(model, 'abcd')
    await refuses(deployment, [/SL501 .*model\.onnx: its SHA-256 is not/])
    await rm(join(champion, 'manifest.json'))
    await refuses(deployment, [/SL501 .*manifest\.json/, /missing/])
  })

  test('names a broker that nobody answers at', async () => {
    await refuses(await deployed({ kafka: { brokers: NOBODY } }), [/SL201 .*127\.0\.0\.1:1\b/, /kafka\.brokers/])
  })

  test('names a broker that takes connections and says nothing', async (t) => {
    const hole = await startBlackHole()
    t.after(() => hole.stop())
    const { host } = new URL(hole.url)
    await refuses(await deployed({ kafka: { brokers: host } }), [/SL201 /, new RegExp(host)])
  })

  test('names topics that do not exist', { skip: noStack }, async () => {
    const deployment = await deployed()
    await refuses(deployment, [new RegExp(`SL202 .*${deployment.topic('results')}`), /sluice topics apply/])
  })

  test('names a schema that is not registered', { skip: noStack }, async () => {
    const deployment = await deployed()
    const applied = await sluice(['topics', 'apply', '--config', deployment.config])
    assert.equal(applied.code, 0, applied.text)
    await refuses(deployment, [new RegExp(`SL302 .*${deployment.topic('')}[a-z]+-value`), /sluice schemas apply/])
  })

  describe('its registry', { skip: noStack }, () => {
    let deployment: TestDeployment
    before(async () => {
      process.env['TEST_REGISTRY'] = process.env['SLUICE_REGISTRY']
      deployment = await deployed({ registry: { url: '${TEST_REGISTRY}', timeout_ms: 1_500 } }, true)
    })

    const refusesWith = async (url: string, says: readonly RegExp[]) => {
      process.env['TEST_REGISTRY'] = url
      await refuses(deployment, says)
    }

    test('is not there: named with its host, not with its password', async () => {
      await refusesWith(`http://user:secret-word@${NOBODY}`, [
        /SL301 .*127\.0\.0\.1:1\b/,
        /registry\.url/,
        /^(?!.*secret-word)/s,
      ])
    })

    test('takes connections and says nothing: named within its time', async (t) => {
      const hole = await startBlackHole()
      t.after(() => hole.stop())
      await refusesWith(hole.url.replace('redis:', 'http:'), [/SL301 /, new RegExp(new URL(hole.url).host)])
    })

    test('is something else that answers with pages: named', async (t) => {
      const server = createServer((_, response) => response.writeHead(500).end('<h1>Oops</h1>')).listen(0, '127.0.0.1')
      t.after(() => server.close().closeAllConnections())
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      await refusesWith(`http://127.0.0.1:${port}`, [/SL30[12] /])
    })
  })

  test('names the address of its pages where it is taken', async (t) => {
    const server = createServer().listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await refuses(await deployed({ http: { port } }), [new RegExp(`SL105 .*127\\.0\\.0\\.1:${port}`)], 2)
  })
})

const MANIFEST = {
  format: 1,
  kind: 'lexical',
  model: { sha256: '0'.repeat(64), bytes: 4 },
  parts: {},
  labels: { digest: '0'.repeat(16), levels: 3, paths: 1 },
  segments: ['title', 'brand'],
  normaliser: 1,
  features: { version: 1 },
  temperatures: [1, 1, 1],
  thresholds: [0.5, 0.5, 0.5],
  data: [],
  golden: [{ texts: ['a', ''], probabilities: [1, 1, 1] }],
}
