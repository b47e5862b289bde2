// What `llm:` of sluice.yaml may hold: who is asked, how much at a time, what it costs. One provider is written in short
// (base_url, api_key, model, timeout_ms), several as a list; what comes out is always the list.
import { z } from 'zod'
import { budgetSchema } from './budget.ts'
import { count, HTTP, ms, text } from './kinds.ts'
import { redactSchema } from './redact.ts'
import type { Price, PriceTable } from '../../core/llm/usage.ts'

const price = z.strictObject({
  input: z.number().nonnegative().describe('US dollars per million input tokens'),
  cached_input: z.number().nonnegative().describe('US dollars per million cached input tokens'),
  output: z.number().nonnegative().describe('US dollars per million output tokens'),
})

const PRICES = z.record(z.string(), price).default({})

/** Stands in events, metrics and the ledger. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/
const share = (value: number, says: string) => z.number().min(0).max(1).default(value).describe(`${says} (0 to 1)`)
const PROVIDERS_MAX = 8
const RETRY_AFTER_MAX_MS = 60_000

/** The message names no value: a URL may carry a password. */
const address = z
  .string({ error: 'needed: an OpenAI-compatible endpoint, such as https://api.openai.com/v1' })
  .refine((text) => HTTP.includes(URL.parse(text)?.protocol ?? ''), 'not a URL that begins with http:// or https://')

const provider = z.strictObject({
  name: z
    .string({ error: 'needed: a name of your own, for metrics and the ledger' })
    .regex(NAME, 'a name is letters, digits and _ . -, 32 at most')
    .describe('a name of your own, for metrics and the ledger'),
  base_url: address.describe('any OpenAI-compatible endpoint'),
  api_key: text('', 'give it as ${NAME_OF_A_VARIABLE}; never printed'),
  model: z
    .string({ error: 'needed: the name of the model at that endpoint' })
    .min(1, 'needed: the name of the model at that endpoint')
    .describe('name of the model'),
  timeout_ms: ms(60_000, 'for one call'),
  api_version: text(
    '',
    'for Azure’s addresses by deployment: sent as ?api-version=…, the key then as the header `api-key`',
  ),
  output_tokens_key: z
    .enum(['max_completion_tokens', 'max_tokens'])
    .default('max_completion_tokens')
    .describe('how this server calls the bound on a reply; one that it does not know is no bound (docs/providers.md)'),
  retry_after_max_ms: ms(RETRY_AFTER_MAX_MS, 'a longer Retry-After is taken for this'),
  prices: PRICES.describe('price table by model name; what is missing is looked up in llm.prices'),
  batch_price_share: share(0.5, 'what the Batch API costs, as a share of the price'),
})

/** The short form of one provider. Optional, so that it shows whether they were given; the defaults are these. */
const SHORT = { base_url: 'https://api.openai.com/v1', api_key: '', model: 'gpt-5-mini', timeout_ms: 60_000 }
const SHORT_KEYS = Object.keys(SHORT) as (keyof typeof SHORT)[]
const short = <Of extends z.ZodType>(key: keyof typeof SHORT, kind: Of, says: string) =>
  kind.optional().meta({ description: says, default: SHORT[key] })

export const llmSchema = z
  .strictObject({
    base_url: short('base_url', address, 'the one provider, in short: any OpenAI-compatible endpoint'),
    api_key: short('api_key', z.string(), 'give it as ${OPENAI_API_KEY}; never printed'),
    model: short('model', z.string().min(1), 'name of the model'),
    timeout_ms: short('timeout_ms', z.int().positive().max(86_400_000), 'for one call (milliseconds)'),
    providers: z
      .array(provider)
      .max(PROVIDERS_MAX, `${PROVIDERS_MAX} providers at most`)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'a provider is named twice')
      .default([])
      .describe(
        'several, in the order in which they are asked: the next one where one does not answer. Instead of base_url, api_key, model and timeout_ms',
      ),
    items_per_call_max: count(20, 'items in one call'),
    segment_chars_max: count(600, 'characters of a segment that are shown'),
    prompt_tokens_max: count(8000, 'about the tokens of one request: calls hold fewer items where texts are long'),
    shortlist_mass: share(0.95, 'a short list has the fewest paths that hold this probability together'),
    shortlist_max: z.int().min(2).max(20).default(12).describe('paths of a short list, at most'),
    call_faults_max: share(0.05, 'calls hold fewer items while more of their answers than this are at fault'),
    call_audit_share: share(0.01, 'items asked again alone, to measure what sharing a call does to answers'),
    call_disagreements_max: share(0.1, 'calls hold fewer items while more of those answers than this differ'),
    calls_concurrently: count(4, 'calls at the same time, per task; fewer while a provider is too busy'),
    asks_max: count(3, 'how often one item is asked before it goes to reviews'),
    output_tokens_max: count(8000, 'tokens of one reply'),
    breaker_reset_ms: ms(10_000, 'an open breaker lets one probe through after this'),
    backoff_ms: ms(500, 'first wait before a failed call is tried again; doubles, with jitter'),
    backoff_max_ms: ms(30_000, 'longest wait'),
    coalesce_wait_ms: z
      .int()
      .min(0)
      .max(600_000)
      .default(30_000)
      .describe(
        'a text that is being asked about already waits this long for that answer, then is asked about too; 0: at once (milliseconds)',
      ),
    prices: PRICES.describe('price table by model name; what is missing costs 0 in reports'),
    redact: redactSchema,
    budget: budgetSchema,
  })
  .superRefine((given, context) => {
    if (given.providers.length === 0) return
    for (const key of SHORT_KEYS)
      if (given[key] !== undefined)
        context.addIssue({
          code: 'custom',
          path: [key],
          message: 'belongs to the one provider written in short, and llm.providers is given as well: keep one of both',
        })
  })
  .transform(({ base_url, api_key, model, timeout_ms, providers, ...rest }) => {
    const given = { base_url, api_key, model, timeout_ms }
    const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    const all = providers.length > 0 ? providers : [provider.parse({ name: 'default', ...SHORT, ...set })]
    return { ...rest, providers: all.map((one) => ({ ...one, price: priceOf(one.model, one.prices, rest.prices) })) }
  })
  .prefault({})
  .describe('the fallback')

function priceOf(model: string, ...tables: readonly PriceTable[]): Price | undefined {
  return tables.find((prices) => Object.hasOwn(prices, model))?.[model]
}
