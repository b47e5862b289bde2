// The operating pages: what probes and Prometheus see, and what a client that misbehaves gets.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { serveHttp } from '../../src/adapters/http/server.ts'
import type { Health, HttpServer } from '../../src/adapters/http/server.ts'
import { SluiceError } from '../../src/core/error.ts'

describe('the operating pages', () => {
  let server: HttpServer
  const health: Record<'live' | 'ready' | 'started', Health> = {
    live: { ok: true, detail: 'running' },
    ready: { ok: true, detail: 'running, without Redis' },
    started: { ok: false, detail: 'starting' },
  }
  let metricsFail = false
  const options = {
    host: '127.0.0.1',
    port: 0,
    live: () => health.live,
    ready: () => health.ready,
    started: () => health.started,
    metrics: {
      contentType: 'text/plain; version=0.0.4',
      async render() {
        if (metricsFail) throw new Error('SECRET')
        return 'sluice_build_info 1\n'
      },
    },
  }
  before(async () => {
    server = await serveHttp(options)
  })
  after(() => server.close())

  async function page(path: string, method = 'GET'): Promise<{ status: number; body: string; type: string | null }> {
    const response = await fetch(server.url + path, { method })
    return { status: response.status, body: await response.text(), type: response.headers.get('content-type') }
  }

  test('say 200 where all is well, with a degraded state in words, and 503 where it is not', async () => {
    const type = 'text/plain; charset=utf-8'
    assert.deepEqual(await page('/livez'), { status: 200, body: 'ok: running\n', type })
    assert.deepEqual(await page('/readyz?verbose'), { status: 200, body: 'ok: running, without Redis\n', type })
    assert.deepEqual(await page('/startupz'), { status: 503, body: 'not ok: starting\n', type })
    health.started = { ok: true, detail: 'running' }
    assert.equal((await page('/startupz')).status, 200)
  })

  test('list themselves at /', async () => {
    assert.equal((await page('/')).body, '/livez\n/readyz\n/startupz\n/metrics\n')
  })

  test('show the metrics in their own content type', async () => {
    const expected = { status: 200, body: 'sluice_build_info 1\n', type: 'text/plain; version=0.0.4' }
    assert.deepEqual(await page('/metrics'), expected)
    assert.deepEqual(await page('/metrics', 'HEAD'), { ...expected, body: '' })
  })

  test('say nothing of a failure inside', async () => {
    metricsFail = true
    const { status, body } = await page('/metrics')
    metricsFail = false
    assert.deepEqual({ status, body }, { status: 500, body: 'the page failed\n' })
  })

  test('are 404 for every other path and 405 for other methods', async () => {
    for (const path of ['/nope', '/metrics/', '/..%2f..%2fetc/passwd', '/livez/../x', '/__proto__'])
      assert.equal((await page(path)).status, 404, path)
    assert.equal((await page('/livez', 'POST')).status, 405)
  })

  test('a client that says nothing is let go in bounded time', { timeout: 60_000 }, async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => {}).resume()
    socket.write('GET /livez HTTP/1.1\r\nhost: x\r\nx: ')
    await closed(socket)
  })

  test('a port in use is an error that names the address', async () => {
    const port = Number(new URL(server.url).port)
    await assert.rejects(serveHttp({ ...options, port }), (error: unknown) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, 'SL105')
      assert.match(error.message, new RegExp(`127.0.0.1:${port} .EADDRINUSE`))
      return true
    })
  })

  test('close ends open connections at once', async () => {
    const other = await serveHttp(options)
    const socket = connect(Number(new URL(other.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {}).resume()
    const ended = closed(socket)
    await other.close()
    await ended
  })
})

/** Whether it was closed or reset: `once` would reject where it was reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}
