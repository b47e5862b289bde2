// Any text classification is a task: support tickets, added by a topic file, a task.yaml and a label set, with nothing
// changed under src/. Everything in JSON, so that no schema registry is needed; no model, so that the LLM answers all.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { audit, finished } from '../support/audit.ts'
import type { Audit } from '../support/audit.ts'
import { createDeployment, ROOT } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { sluice, startSluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const NOWHERE = 'http://127.0.0.1:1'
const TASK = `
topic: tickets
each: messages
entity: "{number}/{messages.id}"
segments:
  subject: "{subject?}"
  message: "{messages.body}"
tiers: [exact]
describe:
  money > invoice: questions about a bill or an invoice
instruction: Choose what each message to the help desk is about.
`
const LABELS = {
  paths: [
    ['money', 'refund'],
    ['money', 'invoice'],
    ['parcel', 'late'],
    ['parcel', 'damaged'],
  ],
}
const TICKETS = [
  { id: 't1', number: 1, subject: 'Money', messages: [{ id: 'a', body: 'the invoice is wrong' }] },
  {
    id: 't2',
    number: 2,
    subject: null,
    messages: [
      { id: 'a', body: 'my parcel is late' },
      { id: 'b', body: 'money: where is my refund?' },
      { id: 'c', body: '' },
      { id: 'd', body: 'parcel arrived damaged' },
    ],
  },
  { id: 't3', number: 3, subject: 'no messages', messages: [] },
]

describe('a third task by configuration alone', { skip: noStack }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment
  let whole: Audit

  before(async () => {
    broker = await openBroker()
    standIn = await openStandIn([0, 1])
    const json = { format: 'json' }
    deployment = await createDeployment('third', {
      tasks: ['help-desk'],
      settings: {
        registry: { url: NOWHERE },
        llm: standIn.llm,
      },
      topics: {
        products: json,
        queries: json,
        results: json,
        fallback: json,
        labels: json,
        reviews: json,
        calls: json,
        tickets: { ...json, description: 'Tickets', key: 'ticket', writers: ['shop'], readers: ['classify'] },
      },
      files: { 'help-desk/task.yaml': TASK, 'help-desk/labels.json': JSON.stringify(LABELS) },
    })
    await deployment.apply()
  })
  after(async () => {
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
  })

  test('is known to lint', async () => {
    const { code, text } = await sluice(['lint', '--config', deployment.config])
    assert.equal(code, 0, text)
    assert.match(text, /task help-desk: .*4 labels in 2 levels, no model/)
  })

  test('is answered, item by item, with labels of its own', async () => {
    await deployment.produce('tickets', TICKETS)
    const tasks = [{ task: 'help-desk', topic: 'tickets', items: messagesOf }]
    const process = startSluice(['run', 'classify', 'fallback', '--config', deployment.config])
    await finished(broker, deployment, tasks, 'all')
    process.signal('SIGTERM')
    assert.equal(await process.ended, 0, process.tail())
    whole = await audit(broker, deployment, tasks, { finished: 'all' })
    const results = whole.outcomes.filter(({ headers }) => headers['sluice-outcome'] === 'result')
    const said = results.map(({ key, value }) => [key, (JSON.parse(String(value)) as { label: string[] }).label])
    assert.deepEqual(said.toSorted(), [
      ['1/a', ['money', 'invoice']],
      ['2/a', ['parcel', 'late']],
      ['2/b', ['money', 'refund']],
      ['2/d', ['parcel', 'damaged']],
    ])
  })

  test('refuses what is no item of it', () => {
    const letters = whole.outcomes.filter(({ headers }) => headers['sluice-outcome'] === 'dead-letter')
    const reasons = letters.map(({ key, headers }) => [key, headers['sluice-reason'], headers['sluice-detail']])
    assert.deepEqual(reasons.toSorted(), [
      ['t2', 'missing-field', 'messages.body'],
      ['t3', 'no-items', 'messages'],
    ])
  })

  test('leaves labels to train from', async () => {
    const { committed } = await broker.read([deployment.topic('labels')])
    const labels = committed.map(({ value }) => JSON.parse(String(value)) as { segments: object; label: string[] })
    assert.equal(labels.length, 4)
    const late = labels.find(({ label }) => label[1] === 'late')
    assert.deepEqual(late?.segments, [
      { name: 'subject', text: '' },
      { name: 'message', text: 'my parcel is late' },
    ])
  })

  test('is not named anywhere in the sources, nor is any other task', () => {
    const names = [...readdirSync(join(ROOT, 'models')), 'help-desk']
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    const naming = sources
      .filter((file) => /\/(core|ports|engine|tiers|roles)\//.test(`/${file}`) && file.endsWith('.ts'))
      .filter((file) => {
        const code = readFileSync(join(ROOT, 'src', file), 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*$/gm, '')
        return names.some((name) => new RegExp(`['"\`]${name}['"\`]`).test(code))
      })
    assert.deepEqual(naming, [])
  })
})

const messagesOf = (key: string | undefined): number =>
  Math.max(1, TICKETS.find(({ id }) => id === key)!.messages.length)
