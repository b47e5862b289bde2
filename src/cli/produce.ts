// `sluice produce`: sends the rows of a JSONL file as events to a topic of topics/, encoded as that topic says.
import { readLines } from '../adapters/files/rows.ts'
import { createKafkaClient, connectAdmin } from '../adapters/kafka/client.ts'
import { createEventProducer } from '../adapters/kafka/producer.ts'
import { createCodec } from '../adapters/registry/codec.ts'
import { misfit } from '../adapters/registry/schemas.ts'
import { SluiceError } from '../core/error.ts'
import type { Deployment } from '../adapters/config/load.ts'
import type { KafkaClient, KafkaSettings } from '../adapters/kafka/client.ts'
import type { EventProducer } from '../adapters/kafka/producer.ts'
import { kafkaSettings } from './apply.ts'
import { load, parse } from './command.ts'

const HELP = `usage: sluice produce --topic TOPIC --file FILE.jsonl[.gz] [--key FIELD] [--config FILE] [--json]

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
  const chunk: { line: number; row: Row }[] = []
  const flush = async (): Promise<void> => {
    const rows = chunk.map(({ row }) => row)
    await sender.send(rows, values.key, (index) => `${values.file}, line ${chunk[index]!.line}`)
    sent += chunk.length
    chunk.length = 0
  }
  try {
    for await (const row of readRows(values.file)) {
      chunk.push(row)
      if (chunk.length === CHUNK) await flush()
    }
    await flush()
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
  /** `key` names the field that becomes the record key. Throws SL502, naming the row by `where`, if one does not fit. */
  send(rows: readonly Row[], key: string, where?: (index: number) => string): Promise<void>
  close(): Promise<void>
}

/** Throws SL201, SL202, SL301 and SL302 for what is not there. */
export async function openSender({ config, topics }: Deployment, alias: string): Promise<Sender> {
  const topic = topics.get(alias)
  if (!topic) throw new SluiceError('SL104', `no topic "${alias}"; there are: ${[...topics.keys()].join(', ')}`)
  const { name, format, avro } = topic
  const settings = kafkaSettings(config)
  const client = createKafkaClient(settings)
  await assertTopic(client, settings, name)
  const codec =
    format === 'raw'
      ? undefined
      : await createCodec({ ...config.registry, ...config.limits }, [
          { topic: name, format, ...(avro ? { writes: avro } : {}) },
        ])
  const encode = async (rows: readonly Row[], where: (index: number) => string): Promise<readonly Buffer[]> => {
    if (!codec) return rows.map((row) => Buffer.from(JSON.stringify(row)))
    try {
      return await codec.encode(name, rows)
    } catch (error) {
      // Its message shows the value: said again without it.
      for (const [index, row] of rows.entries()) {
        const field = avro && misfit(avro, row)
        if (field !== undefined)
          throw new SluiceError('SL502', `${where(index)}: ${field} does not fit the schema of ${name}`)
      }
      throw error
    }
  }
  const producer: EventProducer = await createEventProducer(client)
  return {
    topic: name,
    async send(rows, key, where = (index) => `row ${index + 1}`) {
      if (rows.length === 0) return
      const values = await encode(rows, where)
      const keys = rows.map((row) => (row[key] === undefined || row[key] === null ? null : String(row[key])))
      await producer.send(
        name,
        values.map((value, index) => ({ key: keys[index] ?? null, value, headers: {} })),
      )
    },
    close: () => producer.close(),
  }
}

async function assertTopic(client: KafkaClient, settings: KafkaSettings, name: string): Promise<void> {
  const admin = await connectAdmin(client, settings)
  try {
    if (!(await admin.listTopics()).includes(name)) throw new SluiceError('SL202', name)
  } finally {
    await admin.disconnect()
  }
}

/** Throws SL102 for a file that cannot be read and SL502 for a line that is not a JSON object. */
export async function* readRows(file: string): AsyncGenerator<{ readonly line: number; readonly row: Row }> {
  for await (const { number, value } of readLines(file)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new SluiceError('SL502', `${file}, line ${number}: not a JSON object`)
    yield { line: number, row: value as Row }
  }
}
