// A task is one text classification: where its items come from, what its label set is, how sure is sure.
// Everything task-specific is data (models/<task>/task.yaml); no code under src/ names a task.
import type { Gate } from './gate.ts'
import type { Fact } from './similar/clash.ts'
import type { Compare } from './similar/signature.ts'
import type { Tier } from './item.ts'
import type { LabelSet } from './labels.ts'
import type { LocalOnly } from './local-only.ts'
import type { ExamplePool } from './llm/examples.ts'
import type { PromptTemplate } from './llm/prompt-template.ts'
import type { Template } from './template.ts'

export interface Segment {
  readonly name: string
  readonly text: Template
}

/** How the similar tier works for a task; what each means stands with its key in adapters/config/tasks.ts. */
export interface Similar {
  readonly threshold: number
  readonly compare: Compare
  readonly vetoes: readonly Fact[]
  readonly audit_share: number
  readonly false_hits_max: number
  readonly local_min?: number | undefined
  readonly entries_max: number
  readonly bytes_max: number
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
  readonly similar: Similar
  readonly localOnly?: LocalOnly
  /** What the LLM is told the task is; a sentence or two. */
  readonly instruction: string
  readonly prompt: PromptTemplate
  /** Labelled texts that a prompt may show. */
  readonly examples: ExamplePool
}
