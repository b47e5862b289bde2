// The stand-in's Batch API: /v1/files and /v1/batches, in memory, as OpenAI documents them. Counts every request that it
// answers, by its custom_id, so that a test can tell what was paid for twice.
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface BatchControl {
  /** From handing in to the end; default 0. */
  readonly ms?: number
  /** `expired`: `share` of the requests were not asked in time. `failed`: the file was not accepted, nothing was asked. */
  readonly outcome?: 'completed' | 'expired' | 'failed'
  /** Share of the requests that fail (500, or not asked where the batch expires), in [0, 1]; default 0. */
  readonly share?: number
  /** The next batch is made, and the connection cut before that is said. */
  readonly cutAfterCreate?: boolean
  /** A batch shows in the list only after this long. */
  readonly listed_ms?: number
}

export interface BatchCounters {
  batches: number
  /** Files of answers that were fetched. */
  reads: number
  /** How often each request was answered for money, by custom_id. */
  asked: Record<string, number>
}

interface Deps {
  /** Answers one chat completion, for money. */
  readonly complete: (body: unknown) => unknown
  readonly json: (response: ServerResponse, status: number, value: unknown) => void
}

interface Batch {
  readonly id: string
  readonly created: number
  readonly inputFile: string
  readonly metadata: unknown
  readonly control: BatchControl
  status: string
  outputFile?: string
  errorFile?: string
  counts: { total: number; completed: number; failed: number }
}

export function standInBatches({ complete, json }: Deps) {
  const files = new Map<string, string>()
  const batches: Batch[] = []
  const counters: BatchCounters = { batches: 0, reads: 0, asked: {} }
  let control: BatchControl = {}
  let requests = 0

  /** Evenly spread, so that a test knows how many fail, whatever went before it. */
  const isStruck = (share: number): boolean => Math.floor(++requests * share) > Math.floor((requests - 1) * share)

  const addFile = (text: string): string => {
    const id = `file-${files.size + 1}`
    files.set(id, text)
    return id
  }

  /** Batches move when they are looked at, and when they are counted. */
  function settle(batch: Batch): Batch {
    if (batch.status !== 'in_progress' || Date.now() < batch.created + (batch.control.ms ?? 0)) return batch
    const { outcome = 'completed', share = 0 } = batch.control
    batch.status = outcome
    if (outcome === 'failed') return batch
    const [answers, errors]: string[][] = [[], []]
    for (const line of (files.get(batch.inputFile) ?? '').trim().split('\n')) {
      const { custom_id, body } = JSON.parse(line) as { custom_id: string; body: unknown }
      if (!isStruck(share)) {
        counters.asked[custom_id] = (counters.asked[custom_id] ?? 0) + 1
        answers!.push(
          JSON.stringify({ id: 'r', custom_id, response: { status_code: 200, body: complete(body) }, error: null }),
        )
      } else if (outcome === 'expired')
        errors!.push(
          JSON.stringify({ id: 'r', custom_id, response: null, error: { code: 'batch_expired', message: 'too late' } }),
        )
      else errors!.push(JSON.stringify({ id: 'r', custom_id, response: { status_code: 500, body: {} }, error: null }))
    }
    batch.counts = { total: answers!.length + errors!.length, completed: answers!.length, failed: errors!.length }
    if (answers!.length > 0) batch.outputFile = addFile(answers!.toReversed().join('\n'))
    if (errors!.length > 0) batch.errorFile = addFile(errors!.join('\n'))
    return batch
  }

  const shown = (batch: Batch) => ({
    id: batch.id,
    object: 'batch',
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    created_at: Math.floor(batch.created / 1_000),
    status: batch.status,
    input_file_id: batch.inputFile,
    output_file_id: batch.outputFile,
    error_file_id: batch.errorFile,
    request_counts: batch.counts,
    metadata: batch.metadata,
  })

  function create(given: { input_file_id: string; metadata?: unknown }, response: ServerResponse): void {
    if (!files.has(given.input_file_id)) return json(response, 400, { error: { message: 'no such file' } })
    const batch: Batch = {
      id: `batch-${++counters.batches}`,
      created: Date.now(),
      inputFile: given.input_file_id,
      metadata: given.metadata ?? null,
      control,
      status: 'in_progress',
      counts: { total: files.get(given.input_file_id)!.trim().split('\n').length, completed: 0, failed: 0 },
    }
    batches.unshift(batch)
    const { cutAfterCreate, ...rest } = control
    control = rest
    if (cutAfterCreate) response.destroy()
    else json(response, 200, shown(batch))
  }

  /** True where the request was one of these. */
  async function route(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<boolean> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stand-in')
    const [, , kind, id, part] = pathname.split('/')
    if (kind === 'files' && request.method === 'POST') {
      const headers = { 'content-type': request.headers['content-type'] ?? '' }
      const file = (await new Response(new Uint8Array(body), { headers }).formData()).get('file')
      if (!(file instanceof File)) return (json(response, 400, { error: { message: 'no file' } }), true)
      json(response, 200, { id: addFile(await file.text()), object: 'file', purpose: 'batch', filename: file.name })
    } else if (kind === 'files' && part === 'content' && files.has(id!)) {
      counters.reads++
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(files.get(id!))
    } else if (kind === 'batches' && request.method === 'POST') create(JSON.parse(body.toString()) as never, response)
    else if (kind === 'batches' && id !== undefined) {
      const batch = batches.find((one) => one.id === id)
      if (batch) json(response, 200, shown(settle(batch)))
      else json(response, 404, { error: { message: 'no such batch' } })
    } else if (kind === 'batches') {
      const listed = batches.filter(({ created, control: { listed_ms = 0 } }) => Date.now() >= created + listed_ms)
      const from = searchParams.has('after') ? listed.findIndex((one) => one.id === searchParams.get('after')) + 1 : 0
      const data = listed.slice(from, from + Number(searchParams.get('limit') ?? 20)).map((one) => shown(settle(one)))
      json(response, 200, { object: 'list', data, has_more: from + data.length < listed.length })
    } else return false
    return true
  }

  return {
    route,
    control(next: BatchControl): void {
      control = next
      requests = 0
    },
    /** A batch that nobody looks at is answered, and paid for, all the same. */
    counters(): BatchCounters {
      for (const batch of batches) settle(batch)
      return counters
    },
  }
}
