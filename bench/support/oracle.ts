// Asks a large language model that is always right and counts what that takes: the way of core/llm/asking.ts without a
// provider. Its answers are the right label where it is on offer, the branch that leads there, else none_of_these.
import { createHash } from 'node:crypto'
import { pathKey } from '../../src/core/labels.ts'
import { callIds, fold, open, plan } from '../../src/core/llm/asking.ts'
import { REDACTIONS, redactor } from '../../src/core/llm/redact.ts'
import { NONE, renderPrompt } from '../../src/core/prompt.ts'
import type { AskLimits, Call, Question } from '../../src/core/llm/asking.ts'
import type { Prompt } from '../../src/core/prompt.ts'
import type { Tier } from '../../src/core/item.ts'
import type { Task } from '../../src/core/task.ts'

export interface Asked extends Question {
  readonly gold: readonly string[]
}

export interface Bill {
  calls: number
  /** Tokens of system, user and schema. */
  input: number
  output: number
  /** Questions whose short list did not hold the right label. */
  missed: number
  /** Labels on offer, summed up over the questions of first calls. */
  offered: number
  /** Items that no LLM was asked for, by tier, and those of them that were answered wrongly. */
  spared: Partial<Record<Tier, number>>
  wrong: number
}

export const noBill = (): Bill => ({ calls: 0, input: 0, output: 0, missed: 0, offered: 0, spared: {}, wrong: 0 })

const SHOWN = {
  segment_chars_max: 600,
  output_tokens_max: 8_000,
  hash: (text: string) => createHash('sha256').update(text).digest('hex'),
  redact: redactor({ kinds: REDACTIONS, patterns: {} }),
}

/** Tokens of what is sent. */
function tokensOf({ system, user, schema }: Prompt, count: (text: string) => number): number {
  return count(system) + count(user) + count(JSON.stringify(schema))
}

/** One call an item with the whole label set in the part that never changes. */
export function askWhole(task: Task, asked: readonly Asked[], count: (text: string) => number, bill: Bill): void {
  const labels = task.labels.paths.map(pathKey)
  for (const { segments, gold } of asked) {
    bill.calls++
    bill.input += tokensOf(renderPrompt(task, [{ id: '1', segments }], { labels, whole: true }, SHOWN), count)
    bill.output += count(JSON.stringify({ answers: [{ id: '1', label: pathKey(gold) }] }))
  }
}

export function askAll(
  task: Task,
  asked: readonly Asked[],
  limits: AskLimits,
  count: (text: string) => number,
  bill: Bill,
): void {
  let asking = open(task.labels, asked, limits)
  for (let calls = plan(asking); calls.length > 0; calls = plan(asking))
    for (const call of calls) {
      const ids = callIds(call)
      const items = call.questions.map((index, at) => ({ id: ids[at]!, segments: asked[index]!.segments }))
      const prompt = renderPrompt(
        task,
        items,
        { labels: [...call.choices.steps.keys()], whole: call.choices.whole },
        SHOWN,
      )
      const answers = call.questions.map((index, at) => ({ id: ids[at]!, label: right(call, asked[index]!.gold) }))
      const text = JSON.stringify({ answers })
      bill.calls++
      bill.input += tokensOf(prompt, count)
      bill.output += count(text)
      if (call.stage.kind === 'shortlist') {
        bill.missed += answers.filter(({ label }) => label === NONE).length
        bill.offered += call.questions.length * call.choices.steps.size
      }
      asking = fold(asking, call, { kind: 'reply', finish: 'stop', text }).asking
    }
}

function right({ choices }: Call, gold: readonly string[]): string {
  for (let depth = gold.length; depth > 0; depth--) {
    const key = pathKey(gold.slice(0, depth))
    if (choices.steps.has(key)) return key
  }
  return NONE
}
