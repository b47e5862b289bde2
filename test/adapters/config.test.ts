// sluice.yaml: what is accepted, what is refused and how the message helps. Reads no file but those of the repository.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { z } from 'zod'
import { configSchema } from '../../src/adapters/config/schema.ts'
import { taskSchema } from '../../src/adapters/config/tasks.ts'
import { topicSchema } from '../../src/adapters/config/topics.ts'
import { parseYaml } from '../../src/adapters/config/yaml.ts'
import { SluiceError } from '../../src/core/error.ts'

const TASKS = 'tasks: { enabled: [shop] }\n'
const read = (text: string, env: Record<string, string> = {}) => parseYaml(text, 'sluice.yaml', configSchema, env)
const readTask = (text: string) => parseYaml(text, 'task.yaml', taskSchema, {})

/** The message of the SL101 that reading throws. */
function refusal(reading: () => unknown): string {
  try {
    reading()
  } catch (error) {
    assert.ok(error instanceof SluiceError && error.code === 'SL101', String(error))
    return error.message
  }
  return assert.fail('nothing was thrown')
}

describe('the configuration', () => {
  test('names its tasks; every other key has a default', () => {
    const { kafka, delivery, tasks, limits } = read(TASKS)
    assert.deepEqual([kafka.brokers, delivery], ['127.0.0.1:9092', 'exactly_once'])
    assert.deepEqual([tasks.enabled, tasks.dir, limits.record_bytes_max], [['shop'], 'models', 1_048_576])
    assert.match(
      refusal(() => read('')),
      /^sluice\.yaml:1: tasks: .*enabled/,
    )
    assert.match(
      refusal(() => read('delivery: exactly_once\ntasks: { dir: models }')),
      /^sluice\.yaml:2: tasks\.enabled: /,
    )
  })

  test('a part of a group keeps the defaults of the rest', () => {
    const { kafka } = read(`${TASKS}kafka: { client_id: mine }`)
    assert.deepEqual([kafka.client_id, kafka.batch_records_max], ['mine', 2000])
  })

  const unknown: { text: string; says: string }[] = [
    { text: 'kafka:\n  borkers: x', says: 'sluice.yaml:2: unknown key "kafka.borkers" (did you mean "brokers"?)' },
    { text: '\n\ndelivry: x', says: 'sluice.yaml:3: unknown key "delivry" (did you mean "delivery"?)' },
    { text: 'llm:\n  prices:\n    m: { inputt: 1, cached_input: 0, output: 1 }', says: '(did you mean "input"?)' },
    { text: 'something_else_entirely: 1', says: 'sluice.yaml:1: unknown key "something_else_entirely"' },
    { text: 'kafka:\n  "__proto__": 1', says: 'unknown key "kafka.__proto__"' },
    { text: 'constructor: 1', says: 'unknown key "constructor"' },
  ]
  for (const { text, says } of unknown)
    test(`${JSON.stringify(text)}: ${says}`, () => {
      const message = refusal(() => read(text))
      assert.ok(message.includes(says), message)
    })

  const wrong: { what: string; text: string; at: string }[] = [
    {
      what: 'concurrency 0',
      text: 'kafka:\n  partitions_concurrently: 0',
      at: 'sluice.yaml:2: kafka.partitions_concurrently',
    },
    { what: 'no calls at a time', text: 'llm:\n  calls_concurrently: 0', at: 'sluice.yaml:2: llm.calls_concurrently' },
    { what: 'a negative limit', text: 'limits:\n  record_bytes_max: -1', at: 'sluice.yaml:2: limits.record_bytes_max' },
    { what: 'a fraction of a record', text: 'kafka:\n  batch_records_max: 1.5', at: 'kafka.batch_records_max' },
    { what: 'infinite time', text: 'shutdown_ms: .inf', at: 'sluice.yaml:1: shutdown_ms' },
    { what: 'a number that is none', text: 'shutdown_ms: .nan', at: 'sluice.yaml:1: shutdown_ms' },
    { what: 'more than a day', text: 'shutdown_ms: 86400001', at: 'shutdown_ms' },
    { what: 'a port beyond 65535', text: 'http:\n  port: 65536', at: 'sluice.yaml:2: http.port' },
    { what: 'such a port as text', text: 'http:\n  port: "99999"', at: 'sluice.yaml:2: http.port' },
    { what: 'a delivery nobody knows', text: 'delivery: at_most_once', at: 'sluice.yaml:1: delivery' },
    { what: 'no task', text: 'tasks:\n  enabled: []', at: 'sluice.yaml:2: tasks.enabled' },
    { what: 'one task twice', text: 'tasks:\n  enabled: [taxonomy, taxonomy]', at: 'sluice.yaml:2: tasks.enabled' },
    ...['127.0.0.1:8081', 'registry', '', 'ftp://a'].map((url) => ({
      what: `a registry at "${url}"`,
      text: `registry:\n  url: "${url}"`,
      at: 'sluice.yaml:2: registry.url: not a URL that begins with http:// or https://',
    })),
    { what: 'an LLM at no URL', text: 'llm:\n  base_url: api.openai.com/v1', at: 'sluice.yaml:2: llm.base_url' },
    { what: 'a Redis at no URL', text: 'redis:\n  url: 127.0.0.1:6379', at: 'sluice.yaml:2: redis.url' },
    { what: 'no broker', text: 'kafka:\n  brokers: ""', at: 'sluice.yaml:2: kafka.brokers' },
    {
      what: 'a price below 0',
      text: 'llm:\n  prices:\n    m: { input: -1, cached_input: 0, output: 0 }',
      at: 'sluice.yaml:3: llm.prices.m.input',
    },
    {
      what: 'a redaction nobody knows',
      text: 'llm:\n  redact: { kinds: [email, name] }',
      at: 'sluice.yaml:2: llm.redact.kinds',
    },
    {
      what: 'a pattern that a text could hold up',
      text: "llm:\n  redact:\n    patterns: { order: '(\\d+)+' }",
      at: 'sluice.yaml:3: llm.redact.patterns.order: the pattern can match in too many ways',
    },
    { what: 'a list for a group', text: 'kafka: [1]', at: 'sluice.yaml:1: kafka' },
    { what: 'a list for the file', text: '- 1', at: 'sluice.yaml:1: the file' },
    { what: 'a key twice', text: 'delivery: exactly_once\ndelivery: exactly_once', at: 'sluice.yaml:2' },
    { what: 'YAML that is none', text: 'kafka: {', at: 'sluice.yaml:1' },
    { what: 'two documents', text: 'delivery: exactly_once\n---\n{}', at: 'sluice.yaml:' },
    { what: 'aliases that explode', text: bomb(), at: 'sluice.yaml' },
  ]
  for (const { what, text, at } of wrong)
    test(`${what} is refused, with the place`, () => {
      const message = refusal(() => read(text))
      assert.ok(message.includes(at), message)
    })

  test('every problem is told at once, a line each', () => {
    const message = refusal(() => read(`${TASKS}kafka:\n  borkers: x\nshutdown_ms: 0`))
    assert.deepEqual(
      message.split('\n').map((line) => line.trim().split(': ')[0]),
      ['sluice.yaml:3', 'sluice.yaml:4'],
    )
  })

  const provider = (name: string, more = '') =>
    `    - { name: ${name}, base_url: 'https://${name}.example/v1', model: m-${name}${more} }`

  test('one LLM provider is written in short, several as a list; what comes out is a list with prices', () => {
    const [only, ...none] = read(
      `${TASKS}llm: { model: mine, prices: { mine: { input: 1, cached_input: 0, output: 2 } } }`,
    ).llm.providers
    assert.deepEqual([only?.name, only?.base_url, only?.model], ['default', 'https://api.openai.com/v1', 'mine'])
    assert.deepEqual([only?.price?.output, none], [2, []])
    const own = ', timeout_ms: 5000, prices: { m-b: { input: 9, cached_input: 9, output: 9 } }'
    const both = 'm-a: { input: 1, cached_input: 1, output: 1 }, m-b: { input: 2, cached_input: 2, output: 2 }'
    const { providers } = read(
      `${TASKS}llm:\n  prices: { ${both} }\n  providers:\n${provider('a')}\n${provider('b', own)}`,
    ).llm
    assert.deepEqual(
      providers.map(({ name, timeout_ms, price }) => [name, timeout_ms, price?.input]),
      [
        ['a', 60_000, 1],
        ['b', 5_000, 9],
      ],
    )
  })

  for (const [what, text, says] of [
    [
      'both forms',
      `  model: x\n  providers:\n${provider('a')}`,
      'sluice.yaml:2: llm.model: belongs to the one provider',
    ],
    [
      'both forms, the short one empty',
      `  providers:\n${provider('a')}\n  api_key: ""`,
      'sluice.yaml:4: llm.api_key: ',
    ],
    [
      'a provider twice',
      `  providers:\n${provider('a')}\n${provider('a')}`,
      'llm.providers: a provider is named twice',
    ],
    ['a provider without a model', '  providers: [{ name: a, base_url: "http://a" }]', 'model: needed'],
    ['a provider at no URL', '  providers: [{ name: a, base_url: a, model: m }]', 'base_url: not a URL'],
    ['a provider with an unknown key', `  providers:\n${provider('a', ', modle: x')}`, 'modle'],
    ['a provider with a name of its own kind', `  providers:\n${provider('"a b"')}`, 'name: a name is letters'],
    [
      'nine providers',
      `  providers:\n${[...'abcdefghi'].map((name) => provider(name)).join('\n')}`,
      '8 providers at most',
    ],
  ] as const)
    test(`${what}: refused`, () => {
      const message = refusal(() => read(`llm:\n${text}\n${TASKS}`))
      assert.ok(message.includes(says), message)
    })

  test('a message never shows a value: it may be a key', () => {
    const message = refusal(() => read('llm:\n  api_key: [sk-secret]\n  timeout_ms: sk-secret\n  base_url: sk-secret'))
    assert.ok(!message.includes('sk-secret'), message)
  })

  test('any text is read or refused with SL101', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string({ unit: fc.constantFrom('{', '}', '[', ':', ' ', '\n', '-', '&a', '*a', '$', '"') }),
        ),
        (text) => {
          try {
            read(text)
          } catch (error) {
            assert.ok(error instanceof SluiceError && error.code === 'SL101', String(error))
          }
        },
      ),
    )
  })
})

describe('the environment in the configuration', () => {
  const brokers = (value: string, env: Record<string, string> = {}) =>
    read(`kafka:\n  brokers: ${value}\n${TASKS}`, env).kafka.brokers
  test('${NAME} is the variable', () => assert.equal(brokers('${K}', { K: 'a:1' }), 'a:1'))
  test('${NAME:-x} is x where the variable is missing or empty', () => {
    assert.deepEqual(
      [brokers('${K:-b:2}'), brokers('${K:-b:2}', { K: '' }), brokers('${K:-b:2}', { K: 'a:1' })],
      ['b:2', 'b:2', 'a:1'],
    )
  })
  test('may be a part of a value, and several', () => {
    assert.equal(brokers('"${A}:1,${B:-b}:2"', { A: 'a' }), 'a:1,b:2')
  })
  test('$${NAME} is the text ${NAME}', () => assert.equal(brokers('$${K}'), '${K}'))
  test('a variable that is missing and has no default is named, with the line', () => {
    assert.equal(
      refusal(() => brokers('${NOT_SET}')),
      'sluice.yaml:2: environment variable NOT_SET is not set and has no default',
    )
  })
  test('an empty default is empty', () => assert.equal(read(`${TASKS}redis:\n  url: \${R:-}`).redis.url, ''))
  test('what a variable holds is text: it cannot add keys or read other variables', () => {
    assert.equal(brokers('${K}', { K: 'x\ndelivery: at_least_once', OTHER: 'o' }), 'x\ndelivery: at_least_once')
    assert.equal(brokers('${K}', { K: '${OTHER}', OTHER: 'o' }), '${OTHER}')
  })
  test('a port may come from the environment', () => {
    assert.equal(read(`${TASKS}http:\n  port: \${P}`, { P: '8080' }).http.port, 8080)
  })
})

describe('a task file', () => {
  const TIERS = ['exact', 'local', 'similar']
  const TASK = 'topic: products\nentity: "{id}"\nsegments: { title: "{title}" }\ninstruction: x\n'
  test('needs a topic, an entity, segments and an instruction; the rest has defaults', () => {
    const { labels, tiers, model, gate } = readTask(TASK)
    assert.deepEqual([labels, tiers, model, gate], ['labels.json', TIERS, 'champion', undefined])
    const message = refusal(() => readTask(''))
    for (const key of ['topic', 'entity', 'segments', 'instruction']) assert.ok(message.includes(key), message)
  })
  for (const thresholds of ['[1.01]', '[-0.1]', '[.nan]', '["0.9"]', '[.inf]', '[]', '0.9', '[null]'])
    test(`thresholds ${thresholds} are refused`, () => {
      const message = refusal(() => readTask(`${TASK}gate:\n  thresholds: ${thresholds}\n`))
      assert.ok(message.includes('task.yaml:6: gate.thresholds'), message)
    })
  test('thresholds of 0 and 1 are taken', () => {
    assert.deepEqual(readTask(`${TASK}gate: { thresholds: [0, 0.55, 1] }`).gate?.thresholds, [0, 0.55, 1])
  })
  for (const [what, line, says] of [
    ['a template that is not closed', 'each: x\nentity: "{id"', '{ without }'],
    ['a tier nobody knows', 'tiers: [exact, locl]', 'tiers'],
    ['a misspelt key', 'instructions: y', 'did you mean "instruction"?'],
    ['no segment', 'segments: {}', 'segments'],
    ['a tier twice', 'tiers: [exact, exact]', 'tiers'],
    ['a list of tenants that says nobody’s tenant', 'local_only: { tenants: [acme] }', 'local_only.tenant'],
    ['an empty list of tenants', 'local_only: { tenant: "{shop}", tenants: [] }', 'local_only.tenants'],
    ['a tenant without a name', 'local_only: { tenant: "{shop}", tenants: [" "] }', 'a tenant has no name'],
    ['a misspelt key of local_only', 'local_only: { tenant: "{shop}", tenants: [a], tennants: [b] }', 'tennants'],
  ] as const)
    test(`${what} is refused`, () => {
      const key = line.split(':').at(-2)!.split('\n').at(-1)!
      const text = TASK.split('\n').filter((it) => !it.startsWith(`${key}:`))
      const message = refusal(() => readTask([...text, line].join('\n')))
      assert.ok(message.includes(says), message)
    })
})

describe('the JSON Schemas', () => {
  const root = new URL('../../', import.meta.url)
  for (const [file, schema] of [
    ['schemas/sluice.schema.json', configSchema],
    ['schemas/task.schema.json', taskSchema],
    ['schemas/topic.schema.json', topicSchema],
  ] as const)
    test(`${file} says what the code reads: keys without a default are required, no others`, async () => {
      const json = JSON.parse(await readFile(fileURLToPath(new URL(file, root)), 'utf8')) as Record<string, unknown>
      assert.equal(json['additionalProperties'], false)
      const missing = schema.safeParse({}).error?.issues.map(({ path }) => String(path[0])) ?? []
      assert.deepEqual(json['required'] ?? [], missing)
      assert.deepEqual(Object.keys(json['properties'] as object), Object.keys((schema as z.ZodObject).shape))
      assert.deepEqual(undescribed(json, file), [])
    })
})

/** Keys without a sentence. */
function undescribed(json: { properties?: object; description?: string }, key: string): string[] {
  const inner = Object.entries(json.properties ?? {}) as [string, typeof json][]
  return inner.flatMap(([name, it]) => [
    ...(it.description ? [] : [`${key}: ${name}`]),
    ...undescribed(it, `${key}: ${name}`),
  ])
}

function bomb(): string {
  const lines = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (const [from, to] of [...'abcdefgh'].map((name, index) => [name, 'bcdefghi'[index]]))
    lines.push(`${to}: &${to} [${`*${from}, `.repeat(9)}]`)
  return lines.join('\n')
}
