// docs/asyncapi.yaml holds to the official JSON Schema of AsyncAPI 3.0, and its references lead somewhere.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'

const require = createRequire(import.meta.url)
const document = parse(readFileSync(new URL('../../docs/asyncapi.yaml', import.meta.url), 'utf8')) as Json

interface Json {
  readonly [key: string]: Json
}

test('docs/asyncapi.yaml is AsyncAPI 3.0', () => {
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false })
  const schema = require('@asyncapi/specs/schemas/3.0.0-without-$id.json') as Record<string, unknown>
  const valid = ajv.validate(schema, document)
  assert.ok(valid, ajv.errorsText(ajv.errors?.slice(0, 5), { separator: '\n' }))
})

test('a document with a mistake is refused', () => {
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false })
  const schema = require('@asyncapi/specs/schemas/3.0.0-without-$id.json') as Record<string, unknown>
  const operations = { wrong: { action: 'publish', channel: { $ref: '#/channels/results' } } }
  assert.equal(ajv.validate(schema, { ...document, operations }), false)
})

test('every reference leads somewhere in the document', () => {
  const lost: string[] = []
  const walk = (at: unknown): void => {
    if (typeof at !== 'object' || at === null) return
    for (const [key, value] of Object.entries(at)) {
      if (key !== '$ref') walk(value)
      else if (find(String(value)) === undefined) lost.push(String(value))
    }
  }
  walk(document)
  assert.deepEqual(lost, [])
})

test('each role receives what it reads and sends what it writes', () => {
  const operations = Object.keys(document['operations']!)
  for (const name of [
    'classify.receive.products',
    'classify.send.results',
    'fallback.receive.fallback',
    'fallback.send.labels',
  ])
    assert.ok(operations.includes(name), name)
  assert.ok(!operations.some((name) => name.startsWith('shop.')))
})

function find(reference: string): Json | undefined {
  return reference
    .replace('#/', '')
    .split('/')
    .reduce<Json | undefined>((at, name) => at?.[name], document)
}
