import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { fetchFile } from '../../src/adapters/download/https.ts'
import { obtain } from '../../src/adapters/download/source.ts'
import { unzip } from '../../src/adapters/download/zip.ts'
import { SluiceError } from '../../src/core/error.ts'
import type { AddressInfo } from 'node:net'

const CONTENT = Buffer.from('an encoder, byte by byte. '.repeat(4000))
const SHA256 = createHash('sha256').update(CONTENT).digest('hex')
const QUIET = { signal: new AbortController().signal, onBytes: () => {} }

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-download-'))
})
after(() => rm(dir, { recursive: true, force: true }))

function isError(says: RegExp) {
  return (error: unknown) => error instanceof SluiceError && error.code === 'SL504' && says.test(error.message)
}

describe('a file from an address', () => {
  /** Ranges that were asked for; the server sends no more than this many bytes, then waits to be told to hang up. */
  let asked: (string | undefined)[] = []
  let hangUpAfter = Infinity
  let hangUp = () => {}
  const server = createServer((request, response) => {
    const range = request.headers.range
    asked.push(range)
    if (request.url !== '/model.onnx') return void response.writeHead(404).end()
    const from = range === undefined ? 0 : Number(/bytes=(\d+)-/.exec(range)![1])
    if (from >= CONTENT.length) return void response.writeHead(416).end()
    response.writeHead(range === undefined ? 200 : 206, { 'content-length': CONTENT.length - from })
    const part = CONTENT.subarray(from, from + hangUpAfter)
    if (part.length === CONTENT.length - from) return void response.end(part)
    response.write(part)
    hangUp = () => response.destroy()
  })
  let url: string
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.onnx`
  })
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  beforeEach(() => {
    asked = []
    hangUpAfter = Infinity
  })

  it('is there whole, with progress on the way', async () => {
    const heard: number[] = []
    const to = join(dir, 'whole')
    await fetchFile(url, to, { sha256: SHA256 }, { ...QUIET, onBytes: (done) => heard.push(done) })
    assert.deepEqual(await readFile(to), CONTENT)
    assert.equal(heard.at(-1), CONTENT.length)
  })

  it('that was cut off goes on where it stopped', async () => {
    const to = join(dir, 'cut')
    hangUpAfter = 30_000
    const onBytes = (done: number) => done === hangUpAfter && hangUp()
    await assert.rejects(fetchFile(url, to, { sha256: SHA256 }, { ...QUIET, onBytes }), isError(/goes on from here/))
    hangUpAfter = Infinity
    await fetchFile(url, to, { sha256: SHA256 }, QUIET)
    assert.deepEqual(await readFile(to), CONTENT)
    assert.deepEqual(asked, [undefined, 'bytes=30000-'])
  })

  it('that was whole but for its name is not asked for again', async () => {
    const to = join(dir, 'named')
    await writeFile(`${to}.part`, CONTENT)
    await fetchFile(url, to, { sha256: SHA256, bytes: CONTENT.length }, QUIET)
    assert.deepEqual(asked, [])
  })

  it('that is another one is thrown away', async () => {
    const to = join(dir, 'other')
    const other = { sha256: SHA256.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) }
    await assert.rejects(fetchFile(url, to, other, QUIET), isError(/SHA-256 .* not/))
    assert.deepEqual(
      (await readdir(dir)).filter((name) => name.startsWith('other')),
      [],
    )
  })

  it('that is longer than promised is not read to its end', async () => {
    await assert.rejects(
      fetchFile(url, join(dir, 'long'), { sha256: SHA256, bytes: 10 }, QUIET),
      isError(/promised 10/),
    )
  })

  it('that does not exist, or is not fetched safely, is an error that says so', async () => {
    await assert.rejects(fetchFile(`${url}x`, join(dir, 'none'), { sha256: SHA256 }, QUIET), isError(/HTTP 404/))
    const plain = 'http://models.example/model.onnx'
    await assert.rejects(fetchFile(plain, join(dir, 'plain'), { sha256: SHA256 }, QUIET), isError(/https/))
  })

  it('stops when told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(fetchFile(url, join(dir, 'stopped'), { sha256: SHA256 }, { ...QUIET, signal }), /enough/)
  })
})

describe('a file of this machine', () => {
  it('is checked against its digest', async () => {
    const file = join(dir, 'local')
    await writeFile(file, CONTENT)
    assert.deepEqual(await obtain({ file, sha256: SHA256 }, dir, QUIET), CONTENT)
    await assert.rejects(obtain({ file, sha256: '0'.repeat(64) }, dir, QUIET), isError(/promised 0{64}/))
    await assert.rejects(obtain({ file: `${file}-none` }, dir, QUIET), isError(/ENOENT/))
  })
})

describe('a zip archive', () => {
  const archive = zip({
    'a/stored.txt': { bytes: Buffer.from('as it is'), method: 0 },
    'model.onnx': { bytes: CONTENT, method: 8 },
  })

  it('gives its files, stored or deflated', () => {
    assert.equal(unzip(archive, 'a/stored.txt').toString(), 'as it is')
    assert.deepEqual(unzip(archive, 'model.onnx'), CONTENT)
  })

  const wrong: Record<string, { bytes: Buffer; path: string; says: RegExp }> = {
    'without the file': { bytes: archive, path: 'b.txt', says: /does not hold b\.txt/ },
    'that is none': { bytes: Buffer.from('<html>not here</html>'), path: 'a', says: /no zip file/ },
    'that is empty': { bytes: Buffer.alloc(0), path: 'a', says: /no zip file/ },
    'cut short in front': { bytes: archive.subarray(40), path: 'model.onnx', says: /damaged/ },
  }
  for (const [how, { bytes, path, says }] of Object.entries(wrong))
    it(`${how} is refused`, () => assert.throws(() => unzip(bytes, path), isError(says)))
})

/** A zip file; checksums are left out, since nobody looks at them. */
function zip(files: Readonly<Record<string, { bytes: Buffer; method: 0 | 8 }>>): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const [path, { bytes, method }] of Object.entries(files)) {
    const packed = method === 0 ? bytes : deflateRawSync(bytes)
    const name = Buffer.from(path)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x0403_4b50, 0)
    local.writeUInt16LE(name.length, 26)
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x0201_4b50, 0)
    entry.writeUInt16LE(method, 10)
    entry.writeUInt32LE(packed.length, 20)
    entry.writeUInt32LE(bytes.length, 24)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(at, 42)
    locals.push(local, name, packed)
    directory.push(entry, name)
    at += local.length + name.length + packed.length
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x0605_4b50, 0)
  end.writeUInt16LE(Object.keys(files).length, 10)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...locals, ...directory, end])
}
