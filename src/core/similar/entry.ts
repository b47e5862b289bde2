// How a text that the LLM or a person answered is written into the shared store and read back: compact JSON,
// [texts, answer].
// Must never return what the task could not have answered, nor texts of another shape.
import { cachedAnswers } from '../cached-answer.ts'
import type { Answer } from '../answer.ts'
import type { Task } from '../task.ts'

export interface AnsweredText {
  /** The item's segments, normalised. */
  readonly texts: readonly string[]
  readonly answer: Answer
}

/** Longer values are neither written nor believed. */
const VALUE_LENGTH_MAX = 20_000

export interface AnsweredTexts {
  /** Undefined where it would be too long. */
  encode(answered: AnsweredText): string | undefined
  /** Undefined where the value is damaged, foreign or poisoned. */
  decode(value: string): AnsweredText | undefined
}

export function answeredTexts({ labels, segments }: Pick<Task, 'labels' | 'segments'>): AnsweredTexts {
  const answers = cachedAnswers(labels)
  return {
    encode({ texts, answer }) {
      const value = JSON.stringify([texts, answers.encode(answer)])
      return value.length > VALUE_LENGTH_MAX ? undefined : value
    },
    decode(value) {
      const [texts, kept] = parse(value)
      if (!Array.isArray(texts) || texts.length !== segments.length) return undefined
      if (!texts.every((text) => typeof text === 'string') || typeof kept !== 'string') return undefined
      const answer = answers.decode(kept, 'asserted')
      return answer && { texts, answer }
    },
  }
}

function parse(value: string): readonly unknown[] {
  if (value.length > VALUE_LENGTH_MAX) return []
  try {
    const parsed: unknown = JSON.parse(value)
    return Array.isArray(parsed) ? parsed : []
  } catch {
    return []
  }
}
