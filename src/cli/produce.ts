// `sluice produce`: sends the rows of a JSONL file as events to a topic of topics/, encoded as that topic says.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { createKafkaClient, connectAdmin } from '../adapters/kafka/client.ts'
import { createEventProducer } from '../adapters/kafka/producer.ts'
import { createCodec } from '../adapters/registry/codec.ts'
import { SluiceError } from '../core/error.ts'
import type { Deployment } from '../adapters/config/load.ts'
import type { EventProducer } from '../adapters/kafka/producer.ts'
import { kafkaSettings } from './apply.ts'
import { load, parse } from './command.ts'

const HELP = `usage: sluice produce --topic TOPIC --file FILE.jsonl [--key FIELD] [--config FILE] [--json]

Sends one event per line. TOPIC is the name of a file under topics/.
  --key FIELD   field of the row that becomes the record key (default: id)
`
const CHUNK = 500

export type Row = Readonly<Record<string, unknown>>

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, {
    topic: { type: 'string' },
    file: { type: 'string' },
    key: { type: 'string', default: 'id' },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (values.topic === undefined || values.file === undefined)
    throw new SluiceError('SL104', '--topic and --file are needed')
  const sender = await openSender(await load(values.config), values.topic)
  let sent = 0
  try {
    let rows: Row[] = []
    for await (const row of readRows(values.file)) {
      rows.push(row)
      if (rows.length < CHUNK) continue
      await sender.send(rows, values.key)
      sent += rows.length
      rows = []
    }
    await sender.send(rows, values.key)
    sent += rows.length
  } finally {
    await sender.close()
  }
  process.stdout.write(
    values.json ? `${JSON.stringify({ topic: sender.topic, sent })}\n` : `${sent} events sent to ${sender.topic}\n`,
  )
  return 0
}

export interface Sender {
  readonly topic: string
  send(rows: readonly Row[], key: string): Promise<void>
  close(): Promise<void>
}

export async function openSender({ config, topics }: Deployment, alias: string): Promise<Sender> {
  const topic = topics.get(alias)
  if (!topic) throw new SluiceError('SL104', `no topic "${alias}"; there are: ${[...topics.keys()].join(', ')}`)
  const { name, format, avro } = topic
  const settings = kafkaSettings(config)
  const client = createKafkaClient(settings)
  await (await connectAdmin(client, settings)).disconnect()
  const codec =
    format === 'raw'
      ? undefined
      : await createCodec(
          {
            ...config.registry,

            ...config.limits,
          },
          [{ topic: name, format, ...(avro ? { writes: avro } : {}) }],
        )
  const producer: EventProducer = await createEventProducer(client)
  return {
    topic: name,
    async send(rows, key) {
      if (rows.length === 0) return
      const values = codec ? await codec.encode(name, rows) : rows.map((row) => Buffer.from(JSON.stringify(row)))
      const keys = rows.map((row) => (row[key] === undefined || row[key] === null ? null : String(row[key])))
      await producer.send(
        name,
        values.map((value, index) => ({ key: keys[index] ?? null, value, headers: {} })),
      )
    },
    close: () => producer.close(),
  }
}

/** Throws SL102 for a file that is not there and SL502 for a line that is not a JSON object. */
export async function* readRows(file: string): AsyncGenerator<Row> {
  const input = createReadStream(file)
  const failed = new Promise<never>((_, reject) =>
    input.once('error', (error) => reject(new SluiceError('SL102', file, { cause: error }))),
  )
  failed.catch(() => {})
  await Promise.race([failed, new Promise((resolve) => input.once('open', resolve))])
  let line = 0
  for await (const text of createInterface({ input, crlfDelay: Infinity })) {
    line++
    if (text.trim() === '') continue
    const row = parseRow(text)
    if (!row) throw new SluiceError('SL502', `${file}:${line}: not a JSON object`)
    yield row
  }
}

function parseRow(text: string): Row | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Row) : undefined
  } catch {
    return undefined
  }
}
