// A whole deployment from files: the shipped one is good, and what is wrong with a folder is said with its path.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadDeployment } from '../../src/adapters/config/load.ts'
import { configSchema } from '../../src/adapters/config/schema.ts'
import { readTask, taskSchema } from '../../src/adapters/config/tasks.ts'
import { readTopics } from '../../src/adapters/config/topics.ts'
import { readYaml } from '../../src/adapters/config/yaml.ts'
import { SluiceError } from '../../src/core/error.ts'
import type { TaskFile } from '../../src/adapters/config/tasks.ts'
import type { ErrorCode } from '../../src/core/error.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TASKS = readdirSync(join(ROOT, 'models')).filter((name) => existsSync(join(ROOT, 'models', name, 'task.yaml')))
const TASK = 'topic: products\nentity: "{id}"\nsegments: { title: "{title}" }\ninstruction: x\n'
const OWN_PROMPT = '# System\nMine. {{rules}} {{rubric}} {{labels}}\n# User\n{{choices}}\n\n{{items}}\n'
const LABELS = { paths: [['Food'], ['Toys']] }

describe('the shipped configuration', () => {
  test('sluice.yaml is good with an empty environment', async () => {
    const config = await readYaml(join(ROOT, 'sluice.yaml'), configSchema, {})
    assert.deepEqual([config.kafka.brokers, config.redis.url], ['127.0.0.1:9092', ''])
  })

  test('topics/ and schemas/ are good; names get the prefix', async () => {
    const topics = await readTopics(join(ROOT, 'topics'), join(ROOT, 'schemas'), 'test.', {})
    assert.ok(topics.size >= 7)
    for (const [alias, { name, format, avro, description }] of topics) {
      assert.equal(name, `test.${alias}`)
      assert.equal(avro !== undefined, format === 'avro', alias)
      assert.ok(description.length > 10, alias)
    }
  })

  for (const name of TASKS) {
    test(`models/${name}/task.yaml is good`, async () => {
      await readYaml(join(ROOT, 'models', name, 'task.yaml'), taskSchema, {})
    })
    const noLabels = existsSync(join(ROOT, 'models', name, 'labels.json')) ? false : 'its labels.json is not there yet'
    test(`models/${name} is a task with its label set`, { skip: noLabels }, async () => {
      const { task } = await readTask(join(ROOT, 'models'), name, {})
      assert.ok(task.labels.paths.length > 1 && task.segments.length > 0)
    })
  }
})

describe('a deployment', () => {
  const folders: string[] = []
  after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })))

  /** A copy of what is shipped with one small task; `change` breaks it. */
  function deployment(change: (dir: string) => void = () => {}): string {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-config-'))
    folders.push(dir)
    for (const name of ['topics', 'schemas']) cpSync(join(ROOT, name), join(dir, name), { recursive: true })
    mkdirSync(join(dir, 'models/shop'), { recursive: true })
    write(dir, 'sluice.yaml', 'tasks: { enabled: [shop] }')
    write(dir, 'models/shop/task.yaml', TASK)
    write(dir, 'models/shop/labels.json', JSON.stringify(LABELS))
    change(dir)
    return join(dir, 'sluice.yaml')
  }
  const write = (dir: string, file: string, text: string) => writeFileSync(join(dir, file), text)

  test('is read whole, with paths relative to the file', async () => {
    const { config, topics, tasks } = await loadDeployment(deployment(), {})
    assert.equal(config.tasks.dir, 'models')
    assert.ok(topics.has('results'))
    assert.deepEqual(
      tasks.map(({ task, ownGate }) => [task.name, task.labels.levels, ownGate]),
      [['shop', 1, false]],
    )
  })

  test('a third task is a folder and a line', async () => {
    const file = deployment((dir) => {
      cpSync(join(dir, 'models/shop'), join(dir, 'models/third'), { recursive: true })
      write(dir, 'sluice.yaml', 'tasks: { enabled: [shop, third] }')
    })
    assert.equal((await loadDeployment(file, {})).tasks.length, 2)
  })

  test('equal label sets have equal digests, whatever their order', async () => {
    const digest = async (paths: string[][]) => {
      const file = deployment((dir) => write(dir, 'models/shop/labels.json', JSON.stringify({ paths })))
      return (await loadDeployment(file, {})).tasks[0]!.task.labelsDigest
    }
    assert.equal(await digest([['a'], ['b']]), await digest([['b'], ['a'], ['b']]))
    assert.notEqual(await digest([['a'], ['b']]), await digest([['a'], ['c']]))
  })

  test('a task may have a prompt of its own and examples from a file', async () => {
    const file = deployment((dir) => {
      write(dir, 'models/shop/task.yaml', `${TASK}prompt: { name: own, examples: seen.jsonl, examples_max: 3 }`)
      write(dir, 'models/shop/own.md', OWN_PROMPT)
      write(dir, 'models/shop/seen.jsonl', '{"title":"Rice","label":"Food"}\n\n{"title":"Ball","label":["Toys"]}\n')
    })
    const [{ task }] = (await loadDeployment(file, {})).tasks as [TaskFile]
    assert.match(task.prompt.source, /^Mine\./)
    assert.deepEqual(
      task.examples.entries.map(({ segments, label }) => [segments, label]),
      [
        [['Rice'], ['Food']],
        [['Ball'], ['Toys']],
      ],
    )
  })

  const broken: { what: string; change: (dir: string) => void; code: ErrorCode; says: RegExp }[] = [
    {
      what: 'a task that has no folder',
      change: (dir) => write(dir, 'sluice.yaml', 'tasks: { enabled: [shpo] }'),
      code: 'SL101',
      says: /no folder "shpo" .*did you mean "shop"/,
    },
    {
      what: 'a task that leaves its folder',
      change: (dir) => write(dir, 'sluice.yaml', 'tasks: { enabled: ["../models/shop"] }'),
      code: 'SL101',
      says: /no folder/,
    },
    {
      what: 'a folder without task.yaml',
      change: (dir) => rmSync(join(dir, 'models/shop/task.yaml')),
      code: 'SL102',
      says: /models\/shop\/task\.yaml/,
    },
    {
      what: 'a task without labels',
      change: (dir) => rmSync(join(dir, 'models/shop/labels.json')),
      code: 'SL102',
      says: /labels\.json/,
    },
    {
      what: 'labels of two depths',
      change: (dir) => write(dir, 'models/shop/labels.json', '{"paths":[["a"],["a","b"]]}'),
      code: 'SL101',
      says: /labels\.json/,
    },
    {
      what: 'labels that are no JSON',
      change: (dir) => write(dir, 'models/shop/labels.json', '{'),
      code: 'SL101',
      says: /labels\.json/,
    },
    {
      what: 'more thresholds than levels',
      change: (dir) => write(dir, 'models/shop/task.yaml', `${TASK}gate: { thresholds: [0.5, 0.5] }`),
      code: 'SL101',
      says: /2 numbers, the label set 1 levels/,
    },
    {
      what: 'a description of a label that is not there',
      change: (dir) => write(dir, 'models/shop/task.yaml', `${TASK}describe: { Fud: x }`),
      code: 'SL101',
      says: /"Fud" is not in the label set/,
    },
    {
      what: 'a prompt that is nowhere',
      change: (dir) => write(dir, 'models/shop/task.yaml', `${TASK}prompt: { name: mine }`),
      code: 'SL102',
      says: /mine\.md/,
    },
    {
      what: 'a prompt out of its folder',
      change: (dir) => write(dir, 'models/shop/task.yaml', `${TASK}prompt: { name: ../mine }`),
      code: 'SL101',
      says: /task\.yaml:5: prompt\.name/,
    },
    {
      what: 'a prompt without its items',
      change: (dir) => {
        write(dir, 'models/shop/task.yaml', `${TASK}prompt: { name: own }`)
        write(dir, 'models/shop/own.md', OWN_PROMPT.replace('{{items}}', ''))
      },
      code: 'SL101',
      says: /own\.md: \{\{items\}\} is missing/,
    },
    {
      what: 'an example with a label of another set',
      change: (dir) => {
        write(dir, 'models/shop/task.yaml', `${TASK}prompt: { examples: seen.jsonl }`)
        write(dir, 'models/shop/seen.jsonl', '{"title":"Rice","label":"Food"}\n{"title":"Car","label":"Cars"}')
      },
      code: 'SL101',
      says: /seen\.jsonl, line 2: its label is not in the label set/,
    },
    {
      what: 'a task on a topic that has no file',
      change: (dir) => write(dir, 'models/shop/task.yaml', TASK.replace('products', 'produce')),
      code: 'SL101',
      says: /no file for topic "produce"/,
    },
    {
      what: 'a topic of ours that is missing',
      change: (dir) => rmSync(join(dir, 'topics/results.yaml')),
      code: 'SL103',
      says: /results\.yaml/,
    },
    {
      what: 'a schema that is missing',
      change: (dir) => rmSync(join(dir, 'schemas/result.avsc')),
      code: 'SL102',
      says: /result\.avsc/,
    },
    {
      what: 'a schema that is no JSON',
      change: (dir) => write(dir, 'schemas/result.avsc', '{'),
      code: 'SL103',
      says: /result\.avsc: not JSON/,
    },
    {
      what: 'a topic file with an unknown key',
      change: (dir) => write(dir, 'topics/products.yaml', 'name: p\npartition: 4'),
      code: 'SL103',
      says: /products\.yaml:2: unknown key "partition" \(did you mean "partitions"\?\)/,
    },
    {
      what: 'no topics folder',
      change: (dir) => rmSync(join(dir, 'topics'), { recursive: true }),
      code: 'SL102',
      says: /topics/,
    },
  ]
  for (const { what, change, code, says } of broken)
    test(`${what}: ${code}`, async () => {
      await assert.rejects(loadDeployment(deployment(change), {}), (error) => {
        assert.ok(error instanceof SluiceError && error.code === code, String(error))
        assert.match(error.message, says)
        return true
      })
    })
})
