// One topic, several tasks (the fallback topic): each task's records go to that task's handler.
// The task is read from the header `sluice-task`, so that nothing is decoded twice.
import type { Batch, Handler, InputRecord, OutputRecord } from '../ports/stream.ts'
import type { Turn } from '../ports/tier.ts'

/** A handler that is told of the turn: the same one for all tasks of a batch, since they are committed together. */
export type TurnHandler = (...given: [...Parameters<Handler>, turn: Turn]) => Promise<readonly OutputRecord[]>

/**
 * Records of a task that is not in the map go to the first handler, which refuses them as dead letters.
 * Outcomes keep input order within each task. `nameTurn`: see core/llm/turn.ts.
 */
export function handleByTask(handlers: ReadonlyMap<string, TurnHandler>, nameTurn: () => string): Handler {
  const first = handlers.keys().next().value
  if (first === undefined) throw new RangeError('no task to handle')
  return async (batch, progress, afterCommit) => {
    const taskOf = ({ headers }: InputRecord): string => {
      const name = String(headers['sluice-task'] ?? '')
      return handlers.has(name) ? name : first
    }
    const parts = [...Map.groupBy(batch.records, taskOf)]
    const over = Promise.withResolvers<void>()
    const works: (() => Promise<void>)[] = []
    afterCommit(() => Promise.all(works.map((work) => work())).then(() => over.resolve()), over.resolve)
    const turn = { name: nameTurn(), over: over.promise, asked: false }
    let failure: { readonly error: unknown } | undefined
    const pulse = async (): Promise<void> => {
      if (failure) throw failure.error
      await progress()
    }
    const written = parts.map(async ([task, records]) => {
      try {
        const part: Batch = { ...batch, records }
        return await handlers.get(task)!(part, pulse, (work) => works.push(work), turn)
      } catch (error) {
        failure ??= { error }
        throw error
      }
    })
    // Nothing of the turn goes on once it has failed: whoever has the batch next must not meet it.
    await Promise.allSettled(written)
    if (failure) throw failure.error
    return (await Promise.all(written)).flat()
  }
}
