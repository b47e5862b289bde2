// The batch port on the openai package (/v1/files, /v1/batches). Bounded in what it reads, and in how far it looks back.
// Must never put the key, a prompt or the provider's words into an error or a status.
import { openClient } from './client.ts'
import { chatBody, openAiLlm, parametersWithout } from './llm.ts'
import { isRequestFault, translate } from './errors.ts'
import { field, readReply } from './reply.ts'
import { LlmRejected, LlmUnavailable } from '../../ports/llm.ts'
import type { OpenAiOptions } from './llm.ts'
import type { BatchAnswer, BatchStanding, LlmBatches } from '../../ports/llm-batch.ts'

/** What a provider's batch is told apart by: our own key in its metadata (16 pairs, values of 512 characters). */
const METADATA_KEY = 'sluice_batch'
const ENDPOINT = '/v1/chat/completions'
const FILE_BYTES_MAX = 256 * 1_048_576
const PAGE = 100
const PAGES_MAX = 50

const PHASES: Readonly<Record<string, BatchStanding['phase']>> = {
  validating: 'running',
  in_progress: 'running',
  finalizing: 'running',
  cancelling: 'running',
  completed: 'ended',
  expired: 'ended',
  cancelled: 'ended',
  failed: 'failed',
}

export interface OpenAiBatchOptions extends OpenAiOptions {
  /** For one file up or down. */
  readonly file_timeout_ms: number
  /** Of one file of answers; default 256 MiB: more than any part of ours can bring. */
  readonly fileBytes_max?: number
}

/** Throws SluiceError SL101 for an address that is none or is forbidden. */
export function openAiBatches(options: OpenAiBatchOptions): LlmBatches {
  const { retry_after_max_ms = 60_000 } = options
  const without = parametersWithout(options)
  const { client, host } = openClient(
    { ...options, timeout_ms: options.file_timeout_ms },
    options.fileBytes_max ?? FILE_BYTES_MAX,
  )

  /** `what` under a deadline of its own; its errors in our words. */
  async function within<T>(
    timeout_ms: number,
    signal: AbortSignal,
    what: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted()
    const deadline = AbortSignal.timeout(timeout_ms)
    try {
      return await what(AbortSignal.any([signal, deadline]))
    } catch (error) {
      signal.throwIfAborted()
      if (deadline.aborted) throw new LlmUnavailable(`${host} did not answer within ${timeout_ms} ms`)
      throw translate(error, host, retry_after_max_ms)
    }
  }

  function standing(batch: unknown): BatchStanding {
    const id = field(batch, 'id')
    const status = String(field(batch, 'status'))
    const phase = Object.hasOwn(PHASES, status) ? PHASES[status] : undefined
    if (typeof id !== 'string' || phase === undefined) throw new LlmRejected(`${host} sent a batch that cannot be read`)
    const counts = field(batch, 'request_counts')
    const count = (name: string) => Math.max(0, Math.trunc(Number(field(counts, name)) || 0))
    return { id, phase, status, total: count('total'), done: count('completed') + count('failed') }
  }

  async function lines(fileId: unknown, signal: AbortSignal): Promise<string[]> {
    if (typeof fileId !== 'string' || fileId === '') return []
    const text = await within(options.file_timeout_ms, signal, async (inner) =>
      (await client.files.content(fileId, { signal: inner })).text(),
    )
    return text.split('\n').filter((line) => line.trim() !== '')
  }

  function answerOf(line: string): BatchAnswer | undefined {
    const value = parsed(line)
    const key = field(value, 'custom_id')
    if (typeof key !== 'string') return undefined
    const response = field(value, 'response')
    const status = field(response, 'status_code')
    if (status === 200) {
      try {
        return { key, kind: 'reply', reply: readReply(field(response, 'body'), host) }
      } catch {
        return { key, kind: 'rejected' }
      }
    }
    if (isRequestFault(status)) return { key, kind: 'rejected' }
    return { key, kind: 'unanswered', why: typeof status === 'number' ? `status ${status}` : 'not asked in time' }
  }

  return {
    llm: openAiLlm(options, without),

    async create(name, requests, begins, signal) {
      const rows = requests.map(({ key, request }) =>
        JSON.stringify({ custom_id: key, method: 'POST', url: ENDPOINT, body: chatBody(options, request, without) }),
      )
      const file = new File([`${rows.join('\n')}\n`], `${name}.jsonl`, { type: 'application/jsonl' })
      const { id } = await within(options.file_timeout_ms, signal, (inner) =>
        client.files.create({ file, purpose: 'batch' }, { signal: inner }),
      )
      await begins()
      const made = await within(options.timeout_ms, signal, (inner) =>
        client.batches.create(
          { input_file_id: id, endpoint: ENDPOINT, completion_window: '24h', metadata: { [METADATA_KEY]: name } },
          { signal: inner },
        ),
      )
      return standing(made)
    },

    async find(name, known, signal) {
      let after: string | undefined
      for (let page = 0; page < PAGES_MAX; page++) {
        const query = { limit: PAGE, ...(after === undefined ? {} : { after }) }
        const { data } = await within(options.timeout_ms, signal, (inner) =>
          client.batches.list(query, { signal: inner }),
        )
        const mine = data.find(
          (batch) =>
            field(field(batch, 'metadata'), METADATA_KEY) === name && !known.has(batch.id) && batch.status !== 'failed',
        )
        if (mine) return standing(mine)
        // Until a page is empty or comes again: a short one may be all that the server gives at once.
        const last = data.at(-1)?.id
        if (last === undefined || last === after) return undefined
        after = last
      }
      return undefined
    },

    look: async (id, signal) =>
      standing(await within(options.timeout_ms, signal, (inner) => client.batches.retrieve(id, { signal: inner }))),

    async read(id, signal) {
      const batch = await within(options.timeout_ms, signal, (inner) => client.batches.retrieve(id, { signal: inner }))
      const files = [await lines(batch.output_file_id, signal), await lines(batch.error_file_id, signal)]
      const answers = files.flat().flatMap((line) => answerOf(line) ?? [])
      // One answer each, the first one: a provider that answers twice is not believed the second time.
      return [...Map.groupBy(answers, ({ key }) => key).values()].map(([first]) => first!)
    },
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
