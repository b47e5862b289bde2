// scripts/setup.mjs in a checkout of its own with an npm that only writes down what it was asked: when it installs,
// when it is silent, and that it hands arguments, exit codes and signals through.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const setup = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'scripts', 'setup.mjs')
const MAIN = `
const [command, code] = process.argv.slice(2)
if (command === 'wait') { process.on('SIGTERM', () => process.exit(7)); console.log('waiting'); setInterval(() => {}, 1000) }
else { console.log(process.argv.slice(2).join(' ')); process.exit(Number(code ?? 0)) }
`

describe('scripts/setup.mjs', () => {
  let checkout: string
  let env: NodeJS.ProcessEnv
  const npmCalls = () => (existsSync(join(checkout, 'calls')) ? readFileSync(join(checkout, 'calls'), 'utf8') : '')
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(checkout, 'scripts', 'setup.mjs'), ...args], {
      env,
      encoding: 'utf8',
      timeout: 20_000,
    })

  beforeEach(() => {
    checkout = mkdtempSync(join(tmpdir(), 'sluice-setup-'))
    mkdirSync(join(checkout, 'scripts'))
    mkdirSync(join(checkout, 'bin'))
    copyFileSync(setup, join(checkout, 'scripts', 'setup.mjs'))
    writeFileSync(join(checkout, 'scripts', 'main.ts'), MAIN)
    writeFileSync(join(checkout, 'package-lock.json'), '{}')
    npmThatSays(`echo "$*" >> '${checkout}/calls'; mkdir -p '${checkout}/node_modules'`)
    env = { ...process.env, PATH: `${join(checkout, 'bin')}${delimiter}${process.env['PATH']}`, CI: 'true' }
  })
  afterEach(() => rmSync(checkout, { recursive: true, force: true }))

  function npmThatSays(script: string) {
    const npm = join(checkout, 'bin', 'npm')
    writeFileSync(npm, `#!/bin/sh\n${script}\n`)
    chmodSync(npm, 0o755)
  }

  it('installs once, then is silent until the lockfile changes', () => {
    const first = run('hello')
    assert.match(first.stderr, /installing the dependencies/)
    assert.match(npmCalls(), /^ci .*--ignore-scripts/)
    const second = run('hello')
    assert.deepEqual([second.stderr, second.stdout], ['', 'hello\n'])
    assert.equal(npmCalls().trim().split('\n').length, 1)
    writeFileSync(join(checkout, 'package-lock.json'), '{ }')
    run('hello')
    assert.equal(npmCalls().trim().split('\n').length, 2)
  })

  it('installs again when node_modules is gone', () => {
    run('hello')
    rmSync(join(checkout, 'node_modules'), { recursive: true })
    assert.match(run('hello').stderr, /installing the dependencies/)
  })

  it('names the command to try, and runs nothing, when npm fails', () => {
    npmThatSays('echo "npm error no network" >&2; exit 1')
    const { status, stdout, stderr } = run('hello')
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, /no network\n.*try: npm ci --ignore-scripts/)
    assert.match(run('hello').stderr, /no network/, 'and tries again the next time')
  })

  it('hands arguments and the exit code through', () => {
    const { status, stdout } = run('hello', '3', '--flag')
    assert.deepEqual([status, stdout], [3, 'hello 3 --flag\n'])
  })

  it('hands SIGTERM through and waits for the end', async () => {
    run('hello')
    const child = spawn(process.execPath, [join(checkout, 'scripts', 'setup.mjs'), 'wait'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(createInterface({ input: child.stdout }), 'line')
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [7, null])
  })
})
