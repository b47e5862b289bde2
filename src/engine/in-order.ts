// Several tiers as one: each is asked about what those before it passed on.
import { PASS } from '../core/answer.ts'
import type { Reply } from '../core/answer.ts'
import type { TierPort } from '../ports/tier.ts'

export function inOrder(tiers: readonly TierPort[]): TierPort {
  return {
    async answer(items) {
      const replies: Reply[] = items.map(() => PASS)
      for (const tier of tiers) {
        const open = items.map((_, at) => at).filter((at) => replies[at]!.kind === 'pass')
        if (open.length === 0) break
        const said = await tier.answer(open.map((at) => items[at]!))
        open.forEach((at, position) => (replies[at] = said[position] ?? PASS))
      }
      return replies
    },
  }
}
