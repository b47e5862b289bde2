// docs/dependencies.md says of each dependency why it is there; it names no others. Versions are exact.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
const declared = { ...dependencies, ...devDependencies }

/** Rows of the tables: | `name` | why | instead of | */
const rows = read('docs/dependencies.md')
  .split('\n')
  .flatMap((line) => {
    const [, name, why, instead] = /^\| `([^`]+)` \| (.*?) \| (.*?) \|$/.exec(line) ?? []
    return name === undefined ? [] : [{ name, why: why!, instead: instead! }]
  })

test('every dependency of package.json has a row in docs/dependencies.md, and every row is a dependency', () => {
  assert.deepEqual(rows.map(({ name }) => name).sort(), Object.keys(declared).sort())
})

test('every row says why this one and what it replaces', () => {
  for (const { name, why, instead } of rows) assert.ok(why.length > 20 && instead.length > 5, name)
})

test('versions are exact', () => {
  for (const [name, version] of Object.entries(declared)) assert.match(version, /^\d+\.\d+\.\d+$/, name)
})

test('the lockfile holds no addresses', () => assert.ok(!read('package-lock.json').includes('"resolved"')))
