// A task is one text classification: where its items come from, what its label set is, how sure is sure.
// Everything task-specific is data (models/<task>/task.yaml); no code under src/ names a task.
import type { Gate } from './gate.ts'
import type { Tier } from './item.ts'
import type { LabelSet } from './labels.ts'
import type { Template } from './template.ts'

export interface Segment {
  readonly name: string
  readonly text: Template
}

export interface Task {
  readonly name: string
  /** Logical name of the input topic (a key under `topics` in sluice.yaml). */
  readonly topic: string
  /** Field that holds an array: one item per element. Absent: the record is the one item. */
  readonly each: string | undefined
  readonly entity: Template
  readonly segments: readonly Segment[]
  readonly labels: LabelSet
  /** Digest of the label set: answers are only valid within it. */
  readonly labelsDigest: string
  readonly gate: Gate
  readonly order: readonly Tier[]
  /** What the LLM is told the task is; a sentence or two. */
  readonly instruction: string
}
