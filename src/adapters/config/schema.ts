// What sluice.yaml may hold: every key with its type, its default and a sentence. Unknown keys are errors.
// The JSON Schema in schemas/sluice.schema.json is generated from this file.
import { z } from 'zod'
import { count, group, HTTP, ms, text, url } from './kinds.ts'
import { llmSchema } from './llm.ts'

/** Ports often come from the environment, as text. */
const port = z.union([
  z.int().min(0).max(65_535),
  z
    .string()
    .regex(/^\d{1,5}$/)
    .transform(Number)
    .pipe(z.int().max(65_535)),
])
export const configSchema = z.strictObject({
  kafka: group(
    {
      brokers: z.string().min(1).default('127.0.0.1:9092').describe('host:port, several separated by commas'),
      client_id: text('sluice', 'how this process names itself to the broker'),
      group_prefix: text('sluice', 'consumer groups are <group_prefix>.classify.<task> and <group_prefix>.fallback'),
      topic_prefix: text('', 'put before the name of every topic'),
      connection_timeout_ms: ms(3000, 'to open a connection'),
      request_timeout_ms: ms(30_000, 'for one request'),
      session_timeout_ms: ms(10_000, 'a silent member loses its partitions after this'),
      heartbeat_interval_ms: ms(2000, 'between heartbeats'),
      fetch_wait_ms: ms(500, 'how long the broker holds an empty fetch'),
      partition_bytes_max: count(1_048_576, 'bytes fetched per partition at once'),
      partitions_concurrently: count(4, 'partitions handled at the same time'),
      batch_records_max: count(2000, 'input records in one transaction at most'),
      transaction_timeout_ms: ms(60_000, 'the broker aborts a transaction that is open longer'),
      wedge_ms: ms(110_000, 'no sign of life for this long ends the process with an error'),
      decompressed_bytes_max: count(67_108_864, 'a compressed batch that grows beyond this is refused'),
    },
    'the broker and how this process behaves towards it',
  ),
  delivery: z
    .enum(['exactly_once', 'at_least_once'])
    .default('exactly_once')
    .describe(
      'exactly_once: outcomes and offset in one transaction; at_least_once: may repeat, with the same item ids',
    ),
  registry: group(
    {
      url: url('http://127.0.0.1:8081', HTTP, 'Confluent REST API; not used where every topic has `format: json`'),
      timeout_ms: ms(5000, 'for one request'),
    },
    'the schema registry',
  ),
  redis: group(
    {
      url: url('', ['redis:', 'rediss:'], 'redis://host:port; empty: the cache lives in the process alone'),
      ttl_s: count(2_592_000, 'how long an answer is kept (seconds)'),
    },
    'the shared cache; a process without it works the same, only slower',
  ),
  cache: group(
    {
      entries_max: count(200_000, 'answers kept in the process, in each of the two caches'),
      bytes_max: count(134_217_728, 'bytes kept in the process, in each of the two caches'),
    },
    'the two caches in the process: answers of the LLM (in front of Redis) and of the local models',
  ),
  tasks: z
    .strictObject(
      {
        dir: text('models', 'one folder a task'),
        enabled: z
          .array(z.string())
          .nonempty()
          .refine((names) => new Set(names).size === names.length, 'a task is named twice')
          .describe('folders of the tasks that run'),
      },
      'say which tasks run: `tasks: { enabled: [<folder>, …] }`',
    )
    .describe('which classifications this deployment does'),
  topics: group(
    { dir: text('topics', 'one YAML a topic'), schemas_dir: text('schemas', 'Avro schemas') },
    'topics as data',
  ),
  local: group(
    {
      workers: z.int().nonnegative().default(0).describe('worker threads per model; 0: one per core'),
      shortlist: count(12, 'paths handed on with an item that was not sure, at most; see llm.shortlist_max'),
      provisional: z
        .boolean()
        .default(false)
        .describe(
          'what goes to the fallback gets its best local answer at once, in the results and marked provisional; the final one replaces it, however long the LLM, its budget or an outage lets it wait',
        ),
    },
    'the local models',
  ),
  llm: llmSchema,
  limits: group(
    {
      record_bytes_max: count(1_048_576, 'a larger value goes to dead letters'),
      items_per_record_max: count(500, 'items in one record'),
      segment_chars_max: count(4000, 'characters kept of one segment'),
    },
    'limits on what comes in',
  ),
  http: group(
    {
      host: text('127.0.0.1', 'address for /livez /readyz /startupz /metrics'),
      port: port.prefault(9464).describe('0: any free port'),
    },
    'health and metrics',
  ),
  log: group(
    { level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('what is below it is not written') },
    'JSON lines on standard error',
  ),
  shutdown_ms: ms(20_000, 'a drain that takes longer ends with an error'),
})

export type Config = z.output<typeof configSchema>
