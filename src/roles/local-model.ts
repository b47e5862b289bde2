// Opens the champion of a task, or says that there is none yet: then every item goes on to the fallback.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { TaskFile } from '../adapters/config/tasks.ts'
import { readModelFolder } from '../adapters/files/model-folder.ts'
import { openModel } from '../adapters/onnx/model.ts'
import { SluiceError } from '../core/error.ts'
import type { Gate } from '../core/gate.ts'
import type { ModelFolder } from '../ports/manifest.ts'
import type { Model } from '../ports/model.ts'
import type { Runtime } from './runtime.ts'

export interface LocalModel {
  readonly model: Model
  readonly gate: Gate
  /** What its answers carry. */
  readonly digest: string
}

/**
 * The champion's folder, read and checked; undefined where there is none yet.
 * Throws SL501 where it is damaged or made for other segments or labels than the task's.
 */
export async function readChampion({ task, modelDir }: TaskFile): Promise<ModelFolder | undefined> {
  if (!existsSync(modelDir)) return undefined
  const folder = await readModelFolder(modelDir)
  const names = task.segments.map(({ name }) => name)
  if (folder.manifest.segments.join() !== names.join())
    throw new SluiceError(
      'SL501',
      `${modelDir} reads ${folder.manifest.segments.join(', ')}; the task has ${names.join(', ')}`,
    )
  if (JSON.stringify(folder.labelPaths) !== JSON.stringify(task.labels.paths))
    throw new SluiceError('SL501', `${modelDir} was trained for another label set than that of task ${task.name}`)
  return folder
}

/** Throws what readChampion throws, and SL501 where the model does not do what its manifest says. */
export async function openLocalModel(
  { config, emit }: Pick<Runtime, 'config' | 'emit'>,
  file: TaskFile,
): Promise<LocalModel | undefined> {
  const { task, ownGate } = file
  const folder = await readChampion(file)
  if (!folder) {
    emit('model.absent', { task: task.name })
    return undefined
  }
  const model = await openModel(folder, { workers: config.local.workers, emit, task: task.name })
  const gate = ownGate ? task.gate : { thresholds: model.thresholds }
  return { model, gate, digest: digestOf(model.digest, task.labelsDigest, gate) }
}

function digestOf(model: string, labels: string, gate: Gate): string {
  return createHash('sha256')
    .update(JSON.stringify([model, labels, gate.thresholds]))
    .digest('hex')
    .slice(0, 16)
}
