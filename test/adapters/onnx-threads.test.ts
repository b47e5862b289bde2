// Who ends a pool waits for threads that still start: to terminate those would end the process.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Piscina } from 'piscina'
import { watchStarts } from '../../src/adapters/onnx/threads.ts'

/** The first thread opens at once, all others take a while; those after the number of `sound` ones fail then. */
const WORKER = `
import { setTimeout as sleep } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { sayOpened } from ${JSON.stringify(new URL('../../src/adapters/onnx/threads.ts', import.meta.url).href)}

const { counts, sound } = workerData
const at = Atomics.add(counts, 0, 1)
if (at > 0) await sleep(300)
Atomics.add(counts, 1, 1)
if (at >= sound) throw new Error('no model')
sayOpened()
export default () => 'answer'
`

describe('the threads of a pool', () => {
  let dir: string
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-threads-'))
    await writeFile(join(dir, 'worker.mjs'), WORKER)
  })
  after(() => rm(dir, { recursive: true, force: true }))

  /** How many threads began to start, and how many of these came to an end of it. */
  async function ended(sound: number): Promise<{ answer: unknown; counts: Int32Array }> {
    const counts = new Int32Array(new SharedArrayBuffer(8))
    const options = { minThreads: 2, maxThreads: 2, concurrentTasksPerWorker: 1, workerData: { counts, sound } }
    const pool = new Piscina({ filename: join(dir, 'worker.mjs'), ...options })
    pool.on('error', () => {})
    const started = watchStarts(pool)
    const answer = await Promise.any([pool.run(1), pool.run(2)]).catch(() => 'none')
    await started()
    await pool.destroy()
    return { answer, counts }
  }

  it('have all opened before it ends, though the first has done the work', async () => {
    const { answer, counts } = await ended(2)
    assert.deepEqual([answer, ...counts], ['answer', 2, 2])
  })

  it('have all failed before it ends, those that were started in their place too', async () => {
    const { answer, counts } = await ended(0)
    assert.deepEqual([answer, counts[0]], ['none', counts[1]])
  })
})
