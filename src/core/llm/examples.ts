// Labelled texts that a prompt shows beside its items: those most like them, so that each teaches something.
// Must never show an example whose label is not on offer.
import { grams, jaccard } from '../similar/grams.ts'
import { normalise } from '../text/normalise.ts'
import { pathKey } from '../labels.ts'
import type { LabelPath } from '../labels.ts'
import type { Grams } from '../similar/grams.ts'

export interface PromptExample {
  /** One text per segment of the task. */
  readonly segments: readonly string[]
  readonly label: LabelPath
}

export interface ExamplePool {
  /** Examples in one prompt, at most; 0: none. */
  readonly examples_max: number
  readonly entries: readonly (PromptExample & { readonly grams: Grams })[]
}

/** Less alike than this, an example says nothing of the item. */
const ALIKE_MIN = 0.15

export function examplePool(examples: readonly PromptExample[], examples_max: number): ExamplePool {
  return { examples_max, entries: examples.map((one) => ({ ...one, grams: gramsOf(one.segments) })) }
}

/**
 * The examples most like the items (Jaccard of character trigrams), the nearest of each item first, then the second
 * nearest of each; every one once. `offered`: keys of the labels on offer.
 */
export function nearestExamples(
  { examples_max, entries }: ExamplePool,
  items: readonly { readonly segments: readonly string[] }[],
  offered: { has(label: string): boolean },
): PromptExample[] {
  if (examples_max === 0 || entries.length === 0) return []
  const known = entries.filter(({ label }) => offered.has(pathKey(label)))
  const ranked = items.map(({ segments }) => {
    const asked = gramsOf(segments)
    return known
      .map((entry) => ({ entry, alike: jaccard(asked, entry.grams) }))
      .filter(({ alike }) => alike >= ALIKE_MIN)
      .sort((a, b) => b.alike - a.alike)
      .slice(0, examples_max)
  })
  const chosen = new Set<PromptExample>()
  for (let rank = 0; rank < examples_max; rank++)
    for (const near of ranked) {
      const next = near[rank]
      if (next !== undefined && chosen.size < examples_max) chosen.add(next.entry)
    }
  return [...chosen]
}

function gramsOf(segments: readonly string[]): Grams {
  return grams(normalise(segments.join(' ')))
}
