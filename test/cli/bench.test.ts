// Benchmarks called as they cannot be: a line and the usage, exit code 2, no stack.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const BENCH = fileURLToPath(new URL('../../bench', import.meta.url))

function bench(name: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [join(BENCH, `${name}.ts`), ...args], (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })
}

describe('a benchmark', { concurrency: 2 }, () => {
  const wrong: Record<string, { name: string; args: string[]; says: RegExp }> = {
    'an option that it does not have': {
      name: 'lexical',
      args: ['--model', 'x'],
      says: /^bench lexical: Unknown option '--model'\nusage: npm run bench lexical \[MODEL_DIR DATA/,
    },
    'a word too many': {
      name: 'redis-states',
      args: ['twice'],
      says: /^bench redis-states: "twice" means nothing here/,
    },
    'a file that is not there': {
      name: 'clean',
      args: ['--data', 'absent.jsonl'],
      says: /^bench clean: absent\.jsonl is not there.*\nusage: npm run bench clean .*\n.*--folds K/,
    },
  }
  for (const [what, { name, args, says }] of Object.entries(wrong))
    test(`given ${what} says so and how it is called`, async () => {
      const { code, err } = await bench(name, ...args)
      assert.match(err, says)
      assert.doesNotMatch(err, /\n +at /)
      assert.equal(code, 2)
    })

  test('asked for help gives its usage', async () => {
    const { code, out } = await bench('grade-noise', '--help')
    assert.equal(code, 0)
    assert.equal(out, 'usage: node bench/grade-noise.ts [--data FILE.jsonl[.gz]]\n')
  })

  test('that cannot read its model says what to do about it', async () => {
    const { code, err } = await bench('lexical', 'absent')
    assert.equal(code, 1)
    assert.match(err, /^SL501 .*absent.*\n +what to do/)
  })

  for (const file of readdirSync(BENCH).filter((name) => name.endsWith('.ts')))
    test(`${file} takes its arguments in the one way, and begins with its usage`, () => {
      const text = readFileSync(join(BENCH, file), 'utf8')
      assert.match(text, /benchArguments\(/)
      assert.match(text, /^(\/\/.*\n)+?\/\/ {3}(npm run bench|node bench\/)/)
    })
})
