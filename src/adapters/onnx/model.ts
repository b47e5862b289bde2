// The model port on a piscina pool: one session a thread, chunks out, answers back.
// A chunk that fails gives `undefined` for its inputs, never a throw; an inference is never aborted.
import { Piscina } from 'piscina'
import { SluiceError } from '../../core/error.ts'
import { labelSet } from '../../core/labels.ts'
import { NORMALISER_VERSION } from '../../core/text/normalise.ts'
import { TEXT_LENGTH_MAX } from '../../core/text/normalise.ts'
import { checkGraph } from './check.ts'
import { watchStarts } from './threads.ts'
import type { LabelPath } from '../../core/labels.ts'
import type { Emit } from '../../ports/events.ts'
import type { Model, Prediction } from '../../ports/model.ts'
import type { ModelFolder } from '../../ports/manifest.ts'
import type { KindParts } from './open-kind.ts'
import type { Answers, Chunk } from './worker.ts'

export interface ModelOptions {
  /** Threads; 0: one per core. */
  readonly workers: number
  readonly emit: Emit
  /** Name of the task, for events. */
  readonly task: string
}

const CHUNK_ROWS_MAX = 256
const CHUNK_ROWS_MIN = 16
/** Chunks under way per thread: one runs, one waits. */
const CHUNKS_PER_WORKER = 2
const GOLDEN_TOLERANCE = 1e-4
/** Encoders in few bits round their activations, which depends on the processor. */
const GOLDEN_TOLERANCE_ENCODER = 1e-2

/** Opens a folder that was read and checked. Throws SL501 where the model is not what the manifest says it is. */
export async function openModel(folder: ModelFolder, { workers, emit, task }: ModelOptions): Promise<Model> {
  const { manifest } = folder
  if (manifest.normaliser !== NORMALISER_VERSION)
    throw new SluiceError(
      'SL501',
      `${folder.dir}: made with normaliser ${manifest.normaliser}, not ${NORMALISER_VERSION}`,
    )
  checkGraph(folder)
  const threads = workers === 0 ? navigator.hardwareConcurrency : workers
  const pool = startPool(folder, threads)
  const started = watchStarts(pool)
  // A thread that ends between two tasks is replaced; the event, unheard, would end the process.
  pool.on('error', () => emit('model.failed', { task }))
  const running = new Set<Promise<unknown>>()
  const segments = manifest.segments.length

  async function answers(
    inputs: readonly (readonly string[])[],
    shortlist: number,
  ): Promise<(Prediction | undefined)[]> {
    const out = Array.from<Prediction | undefined>({ length: inputs.length })
    const rows = Math.max(CHUNK_ROWS_MIN, Math.min(CHUNK_ROWS_MAX, Math.ceil(inputs.length / threads)))
    let next = 0
    const lane = async () => {
      while (next < inputs.length) {
        const from = next
        next = Math.min(from + rows, inputs.length)
        const part = inputs.slice(from, next)
        try {
          const got = (await pool.run(chunkOf(part, segments, shortlist))) as Answers
          read(got, part.length, folder.labelPaths, manifest.labels.levels, out, from)
        } catch {
          emit('model.failed', { task })
        }
      }
    }
    await Promise.all(Array.from({ length: threads * CHUNKS_PER_WORKER }, lane))
    return out
  }

  try {
    await checkGolden(folder, pool, threads)
  } catch (error) {
    await started()
    await pool.destroy()
    throw error
  }
  emit('model.loaded', { task })
  return {
    digest: folder.digest,
    labels: labelSet(folder.labelPaths),
    thresholds: manifest.thresholds,
    async classify(inputs, { shortlist }) {
      const work = answers(inputs, shortlist)
      running.add(work)
      try {
        return await work
      } finally {
        running.delete(work)
      }
    },
    async close() {
      await Promise.allSettled(running)
      await started()
      await pool.destroy()
    },
  }
}

function startPool({ manifest, model, parts, labelPaths }: ModelFolder, threads: number): Piscina {
  const shared = new Uint8Array(new SharedArrayBuffer(model.length))
  shared.set(model)
  const data: KindParts = { manifest, model: shared, parts, labelPaths }
  return new Piscina({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    workerData: data,
  })
}

function chunkOf(inputs: readonly (readonly string[])[], segments: number, shortlist: number): Chunk {
  const lengths = new Int32Array(inputs.length * segments)
  let text = ''
  inputs.forEach((texts, row) => {
    for (let segment = 0; segment < segments; segment++) {
      const one = (texts[segment] ?? '').slice(0, TEXT_LENGTH_MAX)
      lengths[row * segments + segment] = one.length
      text += one
    }
  })
  return { text, lengths, shortlist: Math.max(1, shortlist) }
}

function read(
  { best, scores, levels }: Answers,
  rows: number,
  paths: readonly LabelPath[],
  depth: number,
  out: (Prediction | undefined)[],
  at: number,
): void {
  const shortlist = best.length / rows
  for (let row = 0; row < rows; row++) {
    const first = row * shortlist
    if (best[first]! < 0) continue
    const ranked = []
    for (let rank = first; rank < first + shortlist; rank++)
      ranked.push({ label: paths[best[rank]!]!, probability: scores[rank]! })
    const probabilities = Array.from(levels.subarray(row * depth, (row + 1) * depth))
    out[at + row] = { label: ranked[0]!.label, probabilities, shortlist: ranked }
  }
}

/** Every thread answers the golden texts as they were answered when the model was exported. */
async function checkGolden({ dir, manifest }: ModelFolder, pool: Piscina, threads: number): Promise<void> {
  const { golden, segments } = manifest
  const tolerance = manifest.encoder === undefined ? GOLDEN_TOLERANCE : GOLDEN_TOLERANCE_ENCODER
  const chunk = {
    ...chunkOf(
      golden.map(({ texts }) => texts),
      segments.length,
      1,
    ),
    raw: true,
  }
  const runs = Array.from({ length: threads }, () => pool.run(chunk) as Promise<Answers>)
  await Promise.allSettled(runs) // the pool must be idle before it may be destroyed
  const all = await Promise.all(runs).catch((error: unknown) => {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('SL501', `${dir}: the model does not run: ${(error as Error).message}`, { cause: error })
  })
  for (const { probabilities } of all)
    golden.forEach((item, row) => {
      const differs = item.probabilities.some(
        (value, path) => !(Math.abs(value - probabilities![row * item.probabilities.length + path]!) <= tolerance),
      )
      if (differs) throw new SluiceError('SL501', `${dir}: golden text ${row + 1} is not answered as it was at export`)
    })
}
