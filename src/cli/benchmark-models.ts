// The local models of `sluice benchmark`: any model folder that reads the segments of the task.
import { readModelFolder } from '../adapters/files/model-folder.ts'
import { openModel } from '../adapters/onnx/model.ts'
import { SluiceError } from '../core/error.ts'
import { timeModel } from '../learn/benchmark/time-model.ts'
import { silent } from '../ports/events.ts'
import type { Performance, Split } from '../core/benchmark/score.ts'
import type { Task } from '../core/task.ts'
import type { TimeDeps } from '../learn/benchmark/time-model.ts'

interface Timed {
  readonly performance: Performance
  /** SHA-256 of the files it learned from, as its manifest says. */
  readonly trainedOn: ReadonlySet<string>
}

/** Throws SL501 where the folder is damaged or reads other segments than the task has. */
export async function timeFolder(
  dir: string,
  task: Task,
  splits: readonly Split[],
  machineUsdPerHour: number | undefined,
  deps: TimeDeps,
): Promise<Timed> {
  const folder = await readModelFolder(dir)
  const has = task.segments.map(({ name }) => name).join(', ')
  const reads = folder.manifest.segments.join(', ')
  if (reads !== has) throw new SluiceError('SL501', `${dir} reads ${reads}; the task ${task.name} has ${has}`)
  const model = await openModel(folder, { workers: 0, emit: silent, task: task.name })
  try {
    const performance = await timeModel({ name: dir, model, machineUsdPerHour }, splits, deps)
    return { performance, trainedOn: new Set(folder.manifest.data.map(({ sha256 }) => sha256)) }
  } finally {
    await model.close()
  }
}
