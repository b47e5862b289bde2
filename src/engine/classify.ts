// The streaming machine of the classify role: decode → cascade → outcomes. Decides nothing about answers; never calls
// an LLM. What it returns is committed together with the offset by the stream.
import { close, fold, next, open } from '../core/cascade.ts'
import { mustStay } from '../core/local-only.ts'
import { writeWay } from '../core/way.ts'
import type { Answer } from '../core/answer.ts'
import type { Item, Tier } from '../core/item.ts'
import type { DeadLetter, Outcome } from '../core/outcome.ts'
import type { Asked } from '../core/way.ts'
import type { TierPort } from '../ports/tier.ts'
import type { Handler } from '../ports/stream.ts'
import { takeBatch } from './intake.ts'
import { meanwhile } from './meanwhile.ts'
import type { IntakeDeps } from './intake.ts'
import type { OutcomeWriter } from './outcomes.ts'
import { countOutcomes, stopwatch } from './measure.ts'

export interface ClassifyDeps extends IntakeDeps {
  readonly tiers: Partial<Record<Tier, TierPort>>
  readonly writer: OutcomeWriter
  /** Keeps answers for the next time (the exact tier's business). */
  readonly remember: (items: readonly Item[], answers: readonly (Answer | undefined)[]) => Promise<void>
}

export function createClassifyHandler(deps: ClassifyDeps): Handler {
  const { task, tiers, writer, emit, clock } = deps
  const order = task.order.filter((tier) => tiers[tier] !== undefined)

  return async (batch, progress, afterCommit) => {
    const lap = stopwatch(clock, emit, task.name)
    lap.since(batch.records[0]!.timestamp_ms, 'wait')
    const taken = await takeBatch(deps, batch, progress)
    lap('decode')
    const items = taken.filter((it): it is Item => !isRefused(it))
    const asked: Asked[] = []
    let cascade = open(items, order, task.gate)
    for (let ask = next(cascade); ask; ask = next(cascade)) {
      cascade = fold(cascade, await meanwhile(tiers[ask.tier]!.answer(ask.items), progress, clock))
      asked.push({ tier: ask.tier, took_ms: lap(ask.tier), items: ask.items.length })
    }
    const decided = close(cascade)
    const answers = decided.map((outcome) =>
      outcome.kind === 'result' && !mustStay(task, outcome.item) ? outcome.answer : undefined,
    )
    afterCommit(() => deps.remember(items, answers))
    const outcomes = merge(taken, decided)
    const byOffset = new Map(batch.records.map((record) => [record.offset, record]))
    const records = await writer.write(outcomes, ({ offset }) => byOffset.get(offset), waysOf(asked))
    lap('encode')
    countOutcomes(emit, task.name, outcomes)
    return records
  }
}

/** An item went as far as the tier that answered it. */
function waysOf(asked: readonly Asked[]): (outcome: Outcome) => string {
  const ways = new Map(asked.map(({ tier }, at) => [tier, writeWay(asked.slice(0, at + 1))]))
  const whole = writeWay(asked)
  return (outcome) => (outcome.kind === 'result' ? (ways.get(outcome.answer.tier) ?? whole) : whole)
}

function isRefused(it: Item | DeadLetter): it is DeadLetter {
  return 'kind' in it
}

/** Puts decided items back between the refused ones: outcomes keep input order. */
function merge(taken: readonly (Item | DeadLetter)[], decided: readonly Outcome[]): Outcome[] {
  let position = 0
  return taken.map((it) => (isRefused(it) ? it : decided[position++]!))
}
