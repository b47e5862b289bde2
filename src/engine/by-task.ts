// One topic, several tasks (the fallback topic): each task's records go to that task's handler.
// The task is read from the header `sluice-task`, so that nothing is decoded twice.
import type { Batch, Handler, InputRecord } from '../ports/stream.ts'

/**
 * Records of a task that is not in the map go to the first handler, which refuses them as dead letters.
 * Outcomes keep input order within each task.
 */
export function handleByTask(handlers: ReadonlyMap<string, Handler>): Handler {
  const first = handlers.keys().next().value
  if (first === undefined) throw new RangeError('no task to handle')
  return async (batch, progress, afterCommit) => {
    const taskOf = ({ headers }: InputRecord): string => {
      const name = String(headers['sluice-task'] ?? '')
      return handlers.has(name) ? name : first
    }
    const parts = [...Map.groupBy(batch.records, taskOf)]
    const written = await Promise.all(
      parts.map(([task, records]) => handlers.get(task)!({ ...batch, records } satisfies Batch, progress, afterCommit)),
    )
    return written.flat()
  }
}
