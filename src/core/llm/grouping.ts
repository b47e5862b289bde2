// Which questions share a call: those whose short lists overlap, so that the enum stays short, as many as the bounds allow.
// Greedy: a call is opened by the first question that waits and joined by those that bring the fewest new labels.

export interface GroupLimits {
  readonly items_max: number
  /** About the tokens of a request; a question that is too long by itself is asked all the same. */
  readonly tokens_max: number
  readonly labels_max: number
}

export interface Candidate {
  readonly index: number
  /** About the tokens of its own line. */
  readonly tokens: number
  /** What it must have on offer, with about the tokens of each. */
  readonly labels: ReadonlyMap<string, number>
}

/** Waiting questions that are looked at for the next place: neighbours are near, and time stays linear. */
const WINDOW = 256

/** Every candidate in exactly one group. `fixed`: tokens of a request without items and labels. */
export function grouped(
  candidates: readonly Candidate[],
  fixed: number,
  { items_max, tokens_max, labels_max }: GroupLimits,
): number[][] {
  const waiting = [...candidates]
  const groups: number[][] = []
  while (waiting.length > 0) {
    const first = waiting.shift()!
    const group = [first.index]
    const offered = new Set(first.labels.keys())
    let tokens = fixed + first.tokens + sum(first.labels.values())
    while (group.length < items_max) {
      const next = cheapest(waiting, offered, tokens_max - tokens, labels_max - offered.size)
      if (next === undefined) break
      const [candidate] = waiting.splice(next.at, 1)
      group.push(candidate!.index)
      for (const label of candidate!.labels.keys()) offered.add(label)
      tokens += next.tokens
    }
    groups.push(group)
  }
  return groups
}

function cheapest(
  waiting: readonly Candidate[],
  offered: ReadonlySet<string>,
  tokens_left: number,
  labels_left: number,
) {
  let best: { readonly at: number; readonly tokens: number; readonly fresh: number } | undefined
  for (let at = 0; at < Math.min(waiting.length, WINDOW); at++) {
    const { tokens: own, labels } = waiting[at]!
    let fresh = 0
    let tokens = own
    for (const [label, cost] of labels)
      if (!offered.has(label)) {
        fresh++
        tokens += cost
      }
    if (tokens > tokens_left || fresh > labels_left) continue
    if (best === undefined || fresh < best.fresh) best = { at, tokens, fresh }
    if (fresh === 0) break
  }
  return best
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
