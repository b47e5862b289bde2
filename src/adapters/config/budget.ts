// What `llm.budget` of sluice.yaml may hold: how much the LLM may cost, at most. What is over it waits in Kafka.
import { z } from 'zod'
import { count, group } from './kinds.ts'

const TOKENS_MAX = 1_000_000_000_000
const USD_MAX = 1_000_000
const tokens = z.int().positive().max(TOKENS_MAX)
const usd = z.number().positive().max(USD_MAX)

const TOKENS = 'tokens, input and output together'
const USD = 'US dollars by llm.prices; a model without a price costs 0 here too'
const cap = (says: string) =>
  group({ tokens: tokens.optional().describe(TOKENS), usd: usd.optional().describe(USD) }, says)

export const budgetSchema = group(
  {
    minute: cap('in a minute of the clock'),
    day: group(
      { tokens: tokens.default(1_000_000_000).describe(TOKENS), usd: usd.default(50).describe(USD) },
      'in a day, from midnight to midnight UTC',
    ),
    tasks: z
      .record(z.string(), z.strictObject({ minute: cap('in a minute'), day: cap('in a day, UTC') }))
      .default({})
      .describe('by task, besides what holds for all of them together'),
    processes_max: count(
      4,
      'processes that run the fallback role. Without Redis each may spend this part of the budget; with Redis they share it, save for a tenth that is divided among them for the time that Redis does not answer',
    ),
  },
  'the most that calls to the LLM may cost, reserved before each call',
)
