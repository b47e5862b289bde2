// A handler as a stream uses it when every commit succeeds: what is to be done after the commit is done at once.
import type { Batch, Handler, OutputRecord } from '../../src/ports/stream.ts'

export function committed(handler: Handler) {
  return async (batch: Batch, progress: () => Promise<void>): Promise<readonly OutputRecord[]> => {
    const after: (() => Promise<void>)[] = []
    const outputs = await handler(batch, progress, (work) => after.push(work))
    for (const work of after) await work()
    return outputs
  }
}
