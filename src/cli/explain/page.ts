// An explanation as people read it. Texts of products, and headers of records that others wrote, may hold anything: nothing
// of them reaches the terminal but letters.
import type { Explanation, GateLevel, Other, Step } from '../../core/explain.ts'
import type { Task } from '../../core/task.ts'
import type { Trail } from './trail.ts'

const TEXT_CHARS_MAX = 200
const SHORTLIST_SHOWN = 5
const INDENT = ' '.repeat(12)

export function explainPage(explanation: Explanation, trail: Trail, task: Task | undefined): string {
  const { item, entity, steps, paid, calls, supersededBy, supersedes } = explanation
  const lines = [
    `${plain(item)}: task ${plain(explanation.task)}${entity === undefined ? '' : `, entity ${plain(entity)}`}`,
  ]
  const row = (name: string, text: string) => lines.push(`  ${name.padEnd(10)}${text}`)
  const more = (text: string) => lines.push(INDENT + text)
  const { input } = trail
  if (input) {
    row('input', `${time(input.timestamp_ms)}  ${plain(input.topic)}/${input.partition}/${input.offset}`)
    const own = trail.items.find((it) => it.task === explanation.task)
    own?.segments.forEach((text, at) => more(`${task?.segments[at]?.name ?? at}: ${plain(text)}`))
  } else row('input', 'the record is not there any more')
  for (const step of steps) {
    row(step.role, `${time(step.at_ms)}${since(step, input?.timestamp_ms)}  ${plain(step.record)}`)
    for (const text of stepLines(step)) more(text)
  }
  if (paid) {
    const { by, who, prompt, inputTokens, outputTokens, costUsd } = paid
    row('cost', `${usd(costUsd)}, ${inputTokens} + ${outputTokens} tokens: its share of the calls`)
    more(`answered by ${plain(by)} (${plain(who)}), prompt ${plain(prompt)}`)
    if (by === 'exact') more('an equal text was being asked about already: this item waited for that answer')
  }
  for (const { id, provider, model, state, costUsd, items } of calls)
    row(
      'call',
      `${plain(id)}  ${plain(provider)}, ${plain(model)}: ${usd(costUsd)} for ${items} items, ${plain(state)}`,
    )
  if (supersededBy) row('superseded', `by ${otherText(supersededBy)}`)
  for (const other of supersedes) row('supersedes', otherText(other))
  if (steps.length > 0 && steps.every(({ outcome }) => outcome === 'fallback'))
    row('now', 'waits in the fallback topic for the LLM')
  return `${lines.join('\n')}\n`
}

function stepLines({ asked, outcome, answer, gate, shortlist, why }: Step): string[] {
  const lines: string[] = []
  asked.forEach(({ tier, took_ms, items }, at) => {
    const said = at < asked.length - 1 ? 'passed or not sure' : outcome === 'result' ? 'answered' : 'not sure'
    lines.push(`${tier.padEnd(8)} ${said}; ${took_ms} ms of its batch for ${items} items`)
  })
  if (answer)
    lines.push(`→ ${plain(outcome)}: ${plain(answer.label)}, by ${plain(answer.tier)}, digest ${plain(answer.digest)}`)
  else lines.push(`→ ${plain(outcome)}: ${plain(why ?? '')}`)
  for (const level of gate) lines.push(`  ${gateText(level)}`)
  for (const { label, probability } of shortlist.slice(0, SHORTLIST_SHOWN))
    lines.push(`  ${probability.toFixed(3)}  ${plain(label)}`)
  return lines
}

function gateText({ level, probability, threshold, cleared }: GateLevel): string {
  const head = `level ${level}: ${probability.toFixed(3)}`
  return threshold === undefined
    ? head
    : `${head} ${cleared ? '≥' : '<'} ${threshold.toFixed(3)}${cleared ? '' : '  missed'}`
}

function otherText({ item, label, tier, record }: Other): string {
  return `${plain(label)}, by ${plain(tier)}, of item ${plain(item)} (${plain(record)})`
}

function since({ at_ms }: Step, from_ms: number | undefined): string {
  return from_ms === undefined ? '' : ` (+${((at_ms - from_ms) / 1000).toFixed(1)} s)`
}

function usd(value: number): string {
  return `$${value.toFixed(6)}`
}

function time(at_ms: number): string {
  return new Date(at_ms).toISOString()
}

function plain(text: string): string {
  const shown = text.toWellFormed().replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
  return shown.length > TEXT_CHARS_MAX ? `${shown.slice(0, TEXT_CHARS_MAX).toWellFormed()}…` : shown
}
