// First half of an item's way: bytes → values → items. Whole records that cannot be read become dead letters here.
// Waits for a registry that does not answer; never guesses.
import { intake, refuse } from '../core/intake.ts'
import { SluiceError } from '../core/error.ts'
import type { IntakeLimits, TextHash } from '../core/intake.ts'
import type { Item } from '../core/item.ts'
import type { DeadLetter } from '../core/outcome.ts'
import type { Task } from '../core/task.ts'
import type { Clock } from '../ports/clock.ts'
import type { Codec, Decoded } from '../ports/codec.ts'
import type { Emit } from '../ports/events.ts'
import type { Batch } from '../ports/stream.ts'

export interface IntakeDeps {
  readonly task: Task
  readonly codec: Codec
  readonly clock: Clock
  readonly emit: Emit
  readonly hash: TextHash
  readonly limits: IntakeLimits
}

const PATIENCE_MS = 1000

export async function takeBatch(
  deps: IntakeDeps,
  batch: Batch,
  progress: () => Promise<void>,
): Promise<readonly (Item | DeadLetter)[]> {
  const { task, hash, limits } = deps
  const decoded = await decodePatiently(deps, batch, progress)
  return batch.records.flatMap(({ offset, timestamp_ms }, index) => {
    const source = { topic: batch.topic, partition: batch.partition, offset, timestamp_ms }
    const value = decoded[index]!
    return value.ok
      ? intake(task, source, value.value, hash, limits)
      : [refuse(task, source, 0, value.reason, value.detail)]
  })
}

/** A registry that is down pauses the partition: what waits, waits in Kafka. */
export async function decodePatiently(
  { codec, clock, emit }: Pick<IntakeDeps, 'codec' | 'clock' | 'emit'>,
  batch: Batch,
  progress: () => Promise<void>,
): Promise<readonly Decoded[]> {
  const values = batch.records.map((record) => record.value)
  for (;;) {
    try {
      return await codec.decode(batch.topic, values)
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'SL301') throw error
      emit('registry.unreachable', { topic: batch.topic })
      await progress()
      await clock.sleep(PATIENCE_MS)
    }
  }
}
