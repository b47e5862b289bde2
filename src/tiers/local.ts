// The local tier: the model of the task, in this process. Passes for everything when the model fails; never throws.
import { PASS } from '../core/answer.ts'
import { calibrated } from '../core/llm/shortlist.ts'
import type { Answer, Reply } from '../core/answer.ts'
import type { Emit } from '../ports/events.ts'
import type { Model } from '../ports/model.ts'
import type { TierPort } from '../ports/tier.ts'

export interface LocalOptions {
  readonly task: string
  readonly model: Model
  /** What answers carry: model, label set and thresholds, hashed. */
  readonly digest: string
  /** Paths kept for the LLM. */
  readonly shortlist: number
  readonly emit: Emit
}

export function localTier({ task, model, digest, shortlist, emit }: LocalOptions): TierPort {
  return {
    async answer(items) {
      try {
        const predictions = await model.classify(
          items.map((item) => item.segments),
          { shortlist },
        )
        return predictions.map((prediction): Reply => {
          if (!prediction) return PASS
          const { label, probabilities, shortlist } = prediction
          const answer: Answer = { label, probabilities, tier: 'local', digest }
          return { kind: 'answer', answer, shortlist: calibrated(shortlist, probabilities.at(-1) ?? 0) }
        })
      } catch {
        emit('tier.failed', { task, tier: 'local' })
        return items.map(() => PASS)
      }
    },
  }
}
