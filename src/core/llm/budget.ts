// How much may be spent on LLM calls, and when. Pure: times and what was spent so far are passed in.
// A window is a calendar one (the minute, the UTC day): a call counts in the one in which it was reserved, whenever it
// ends, so that what a crashed process had reserved is free again when its window is over and not before.
// Money is whole nanodollars: sums of them are exact, in every order, here and in Redis.
import { costUsd } from './usage.ts'
import type { LlmUsage, Price } from './usage.ts'

export interface Amount {
  /** Input and output tokens, cached ones included. */
  readonly tokens: number
  readonly nanousd: number
}

export const NOTHING: Amount = { tokens: 0, nanousd: 0 }

/** What may be spent in one window; undefined: no bound. */
export interface Cap {
  readonly tokens?: number | undefined
  /** US dollars. */
  readonly usd?: number | undefined
}

export interface Caps {
  readonly minute: Cap
  readonly day: Cap
}

export interface BudgetSettings extends Caps {
  /** By task, besides what holds for all of them together. */
  readonly tasks: Readonly<Record<string, Caps>>
}

export interface Limit {
  /** Names the counter: `day`, or `day of TASK`. */
  readonly name: string
  /** Undefined: of all tasks together. */
  readonly task: string | undefined
  readonly window_ms: number
  /** Infinity where there is no bound. */
  readonly max: Amount
}

/** What is spent and reserved of a limit in one window, counted from the epoch. */
export interface Spent extends Amount {
  readonly window: number
}

/** Kept back for the time that Redis does not answer. */
const KEPT_BACK = 0.1

/** Parts of the budget: what all processes share, where they can, and what each has for itself. They never exceed 1. */
export function sharesOf(canShare: boolean, processes_max: number): { readonly shared: number; readonly own: number } {
  return canShare ? { shared: 1 - KEPT_BACK, own: KEPT_BACK / processes_max } : { shared: 0, own: 1 / processes_max }
}

/** A limit under which some call would never fit, since a reply alone may take so many tokens; `needs`: what it may cost. */
export function tooSmall(
  settings: BudgetSettings,
  share: number,
  outputTokensMax: number,
  prices: readonly (Price | undefined)[],
): { readonly limit: Limit; readonly needs: Amount } | undefined {
  const usage = { inputTokens: FRAMING_TOKENS, cachedInputTokens: 0, outputTokens: outputTokensMax }
  const all = prices.map((price) => worstAmount(usage, price))
  const needs = all.reduce((most, one) => (one.nanousd > most.nanousd ? one : most))
  const limit = allLimits(settings, share).find((one) => !fits(one, NOTHING, needs))
  return limit && { limit, needs }
}

/** Names of the providers that no limit in US dollars bounds, since their price is not known; none where there is no such limit. */
export function unpriced(
  settings: BudgetSettings,
  providers: readonly { readonly name: string; readonly price: Price | undefined }[],
): string[] {
  if (allLimits(settings, 1).every(({ max }) => max.nanousd === Infinity)) return []
  return providers.filter(({ price }) => price === undefined).map(({ name }) => name)
}

const WINDOWS_MS = { minute: 60_000, day: 86_400_000 } as const

/** The limits that a call of the task has to keep; `share` in [0, 1] of what the settings allow, rounded down. */
export function limitsOf(settings: BudgetSettings, task: string, share: number): Limit[] {
  const own = Object.hasOwn(settings.tasks, task) ? settings.tasks[task] : undefined
  return [...limitsIn(settings, undefined, share), ...limitsIn(own, task, share)]
}

/** All there are, each once. */
export function allLimits(settings: BudgetSettings, share: number): Limit[] {
  const tasks = Object.entries(settings.tasks).flatMap(([task, caps]) => limitsIn(caps, task, share))
  return [...limitsIn(settings, undefined, share), ...tasks]
}

function limitsIn(caps: Caps | undefined, task: string | undefined, share: number): Limit[] {
  if (caps === undefined) return []
  return (['minute', 'day'] as const).flatMap((window) => {
    const { tokens = Infinity, usd = Infinity } = caps[window]
    if (tokens === Infinity && usd === Infinity) return []
    const name = task === undefined ? window : `${window} of ${task}`
    // A nanodollar less of a part: rounding must not make the parts more than the whole.
    const nanousd = Math.max(0, Math.floor(Math.floor(usd * 1e9) * share) - (share < 1 ? 1 : 0))
    const max = { tokens: Math.floor(tokens * share), nanousd }
    return [{ name, task, window_ms: WINDOWS_MS[window], max }]
  })
}

export const windowOf = ({ window_ms }: Limit, at_ms: number): number => Math.floor(at_ms / window_ms)

/** What counts now: what was spent in an earlier window counts no more; a clock that went back finds the later one. */
export function current(limit: Limit, spent: Spent | undefined, now_ms: number): Spent {
  const window = windowOf(limit, now_ms)
  return spent !== undefined && spent.window >= window ? spent : { window, tokens: 0, nanousd: 0 }
}

export function fits({ max }: Limit, spent: Amount, most: Amount): boolean {
  return spent.tokens + most.tokens <= max.tokens && spent.nanousd + most.nanousd <= max.nanousd
}

export interface Spending extends Amount {
  readonly task: string
  /** When it was reserved, milliseconds since the epoch. */
  readonly at_ms: number
}

/** What of these spendings counts for the limit now. */
export function tally(limit: Limit, spendings: readonly Spending[], now_ms: number): Spent {
  let spent = current(limit, undefined, now_ms)
  for (const { task, at_ms, tokens, nanousd } of spendings) {
    if (limit.task !== undefined && limit.task !== task) continue
    if (windowOf(limit, at_ms) < spent.window) continue
    spent = { ...spent, tokens: spent.tokens + tokens, nanousd: spent.nanousd + nanousd }
  }
  return spent
}

/** Tokens of a provider's own framing of a request, more than any is known to add. */
const FRAMING_TOKENS = 512

interface Sized {
  readonly system: string
  readonly user: string
  readonly schema: object
  readonly outputTokensMax: number
}

/** No request uses more: a token is at least one byte of text, and a reply is cut at its limit. */
export function mostUsage(request: Sized): LlmUsage {
  const bytes = utf8Bytes(request.system) + utf8Bytes(request.user) + utf8Bytes(JSON.stringify(request.schema))
  return { inputTokens: bytes + FRAMING_TOKENS, cachedInputTokens: 0, outputTokens: request.outputTokensMax }
}

export function amountOf(usage: LlmUsage, price: Price | undefined): Amount {
  // The error of a sum of three products is far below a nanodollar; it must not make one of nothing.
  const nanousd = Math.ceil(costUsd(usage, price) * 1e9 - 1e-6)
  return { tokens: usage.inputTokens + usage.outputTokens, nanousd: Math.max(0, nanousd) }
}

/** The most that usage can cost, whichever part of its input turns out to be cached. */
export function worstAmount(usage: LlmUsage, price: Price | undefined): Amount {
  return amountOf(usage, price && { ...price, input: Math.max(price.input, price.cached_input) })
}

function utf8Bytes(text: string): number {
  let bytes = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    // A surrogate is half of four bytes, or, alone, three bytes of U+FFFD.
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3
  }
  return bytes
}
