// Writes one label record per answer of the LLM: the text, the label, who said so and what it cost. Kept for training.
import type { Answer } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import type { LlmCallRecord } from '../core/llm/usage.ts'
import type { Task } from '../core/task.ts'
import type { Codec } from '../ports/codec.ts'
import type { OutputRecord } from '../ports/stream.ts'
import { segmentsOf, sourceValue } from './outcomes.ts'

export interface LabelWriter {
  write(
    answered: readonly { readonly item: Item; readonly answer: Answer; readonly record: LlmCallRecord }[],
  ): Promise<OutputRecord[]>
}

/** The key names the task as well: two tasks may read one topic, and compaction must keep both labels. */
export function createLabelWriter(task: Task, topic: string, codec: Codec): LabelWriter {
  return {
    async write(answered) {
      if (answered.length === 0) return []
      const values = await codec.encode(
        topic,
        answered.map(({ item, answer, record }) => ({
          item: item.id,
          task: task.name,
          entity: item.entity,
          segments: segmentsOf(task, item),
          label: answer.label,
          by: answer.tier,
          who: record.model,
          digest: answer.digest,
          inputTokens: record.inputTokens,
          outputTokens: record.outputTokens,
          costUsd: record.costUsd ?? 0,
          source: sourceValue(item.source),
        })),
      )
      return answered.map(({ item, answer }, index) => ({
        topic,
        key: `${task.name}/${item.id}`,
        value: values[index]!,
        headers: {
          'sluice-item': item.id,
          'sluice-task': task.name,
          'sluice-tier': answer.tier,
          'sluice-digest': answer.digest,
          ce_specversion: '1.0',
          ce_type: 'dev.sluice.label',
          ce_source: `/sluice/${task.name}/label`,
          ce_id: item.id,
        },
      }))
    },
  }
}
