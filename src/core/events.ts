// The closed list of events: one event is one log line and one metric. docs/metrics.md is generated from it.
// Fields hold names, counts, times and codes: never product text, keys or tokens.

export type EventLevel = 'debug' | 'info' | 'warn' | 'error'

export interface EventSpec {
  readonly level: EventLevel
  readonly says: string
  /** Fields that become labels of the metric; their values come from small closed sets. */
  readonly labels: readonly string[]
  readonly metric: {
    readonly type: 'counter' | 'gauge' | 'histogram'
    readonly name: string
    /** What the metric adds up or shows. `events`: 1 an event. Else the field of that name. Histograms are in seconds. */
    readonly of: string
  }
}

const events = (name: string) => ({ type: 'counter', name, of: 'events' }) as const
const counter = <const Of extends string>(name: string, of: Of) => ({ type: 'counter', name, of }) as const
const gauge = <const Of extends string>(name: string, of: Of) => ({ type: 'gauge', name, of }) as const
const histogram = <const Of extends string>(name: string, of: Of) => ({ type: 'histogram', name, of }) as const

export const EVENTS = {
  'lifecycle.changed': {
    level: 'info',
    says: 'the process entered a state',
    labels: ['role', 'state'],
    metric: events('sluice_lifecycle_total'),
  },
  'batch.committed': {
    level: 'debug',
    says: 'a batch and its offset were committed',
    labels: ['task', 'role'],
    metric: counter('sluice_records_total', 'records'),
  },
  'stage.timed': {
    level: 'debug',
    says: 'time a batch spent in one stage of its way',
    labels: ['task', 'stage'],
    metric: histogram('sluice_stage_seconds', 'seconds'),
  },
  'outcome.decided': {
    level: 'debug',
    says: 'items of a batch ended as this outcome',
    labels: ['task', 'outcome', 'tier'],
    metric: counter('sluice_outcomes_total', 'items'),
  },
  'item.dead-lettered': {
    level: 'warn',
    says: 'records or items were refused',
    labels: ['task', 'reason'],
    metric: counter('sluice_dead_letters_total', 'items'),
  },
  'tier.failed': {
    level: 'warn',
    says: 'a tier failed and passed for its items',
    labels: ['task', 'tier'],
    metric: events('sluice_tier_failures_total'),
  },
  'cache.read': {
    level: 'debug',
    says: 'keys of a batch were looked up in a layer of the cache (process, remote)',
    labels: ['layer', 'found'],
    metric: counter('sluice_cache_keys_total', 'keys'),
  },
  'cache.failed': {
    level: 'warn',
    says: 'the remote cache went ill: until it recovers it reads as misses and keeps nothing; once an episode',
    labels: ['operation', 'why'],
    metric: events('sluice_cache_failures_total'),
  },
  'cache.recovered': {
    level: 'info',
    says: 'the remote cache serves again; `skipped` keys went without it for `seconds`',
    labels: ['operation'],
    metric: events('sluice_cache_recoveries_total'),
  },
  'cache.dropped': {
    level: 'debug',
    says: 'entries were not written to the remote cache: it was ill or too busy',
    labels: [],
    metric: counter('sluice_cache_dropped_total', 'entries'),
  },
  'cache.rejected': {
    level: 'warn',
    says: 'cached values were not what this task keeps (damaged, foreign or poisoned): read as misses',
    labels: ['task'],
    metric: counter('sluice_cache_rejected_total', 'entries'),
  },
  'similar.read': {
    level: 'debug',
    says: 'texts looked up among similar ones: hit, none, clash, disagreement, audited (a hit passed on), off',
    labels: ['task', 'found'],
    metric: counter('sluice_similar_items_total', 'items'),
  },
  'similar.audited': {
    level: 'debug',
    says: 'a hit that was passed on was compared with what the next tiers said; `rate` of them were wrong, `low` to `high` with 95 %',
    labels: ['task', 'right'],
    metric: events('sluice_similar_audits_total'),
  },
  'similar.switched': {
    level: 'warn',
    says: 'the similar tier is off (its false-hit rate is above the limit beyond doubt) or on again',
    labels: ['task', 'state'],
    metric: events('sluice_similar_switches_total'),
  },
  'partition.claimed': {
    level: 'info',
    says: 'a partition is ours; earlier owners are fenced',
    labels: ['topic'],
    metric: events('sluice_partition_claims_total'),
  },
  'transaction.failed': {
    level: 'warn',
    says: 'a transaction failed and is repeated with a new producer',
    labels: ['topic'],
    metric: events('sluice_transaction_failures_total'),
  },
  'registry.unreachable': {
    level: 'warn',
    says: 'the schema registry does not answer: the partition waits',
    labels: ['topic'],
    metric: events('sluice_registry_unreachable_total'),
  },
  'lag.measured': {
    level: 'debug',
    says: 'records between the committed offset and the end of a partition',
    labels: ['topic', 'partition'],
    metric: gauge('sluice_lag_records', 'records'),
  },
  'llm.called': {
    level: 'info',
    says: 'one call to the LLM ended',
    labels: ['task', 'provider', 'status'],
    metric: histogram('sluice_llm_call_seconds', 'seconds'),
  },
  'llm.tokens': {
    level: 'debug',
    says: 'tokens one call used',
    labels: ['task', 'kind'],
    metric: counter('sluice_llm_tokens_total', 'tokens'),
  },
  'llm.cost': {
    level: 'debug',
    says: 'what one call cost by the price table, US dollars',
    labels: ['task'],
    metric: counter('sluice_llm_cost_usd_total', 'usd'),
  },
  'llm.rejected': {
    level: 'warn',
    says: 'answers of the LLM were not accepted',
    labels: ['task', 'why'],
    metric: counter('sluice_llm_rejected_total', 'items'),
  },
  'llm.suspected': {
    level: 'warn',
    says: 'texts that look as if they spoke to the LLM: asked alone, answered only as the local model would',
    labels: ['task'],
    metric: counter('sluice_llm_suspected_total', 'items'),
  },
  'llm.resized': {
    level: 'info',
    says: 'calls hold more or fewer items: answers at the size so far were at fault too often, or are not any more',
    labels: ['task'],
    metric: gauge('sluice_llm_call_items', 'items'),
  },
  'llm.audited': {
    level: 'debug',
    says: 'an item that shared a call was asked again alone: was its answer the same?',
    labels: ['task', 'same'],
    metric: events('sluice_llm_audits_total'),
  },
  'llm.refused': {
    level: 'error',
    says: 'a provider refuses the key, the model or the address; where there is no other, items wait until that is put right',
    labels: ['provider'],
    metric: events('sluice_llm_refused_total'),
  },
  'budget.waiting': {
    level: 'warn',
    says: 'calls of the task wait because of this limit (or of Redis, or the ledger); nobody is asked meanwhile; once an episode',
    labels: ['task', 'limit'],
    metric: events('sluice_budget_waits_total'),
  },
  'budget.resumed': {
    level: 'info',
    says: 'calls of the task are made again, after so many seconds',
    labels: ['task'],
    metric: counter('sluice_budget_waiting_seconds_total', 'seconds'),
  },
  'budget.switched': {
    level: 'warn',
    says: 'who pays: `own` is the part kept back for the time that Redis does not answer, `shared` the rest, with it; `answer`: how Redis took the question',
    labels: ['purse'],
    metric: events('sluice_budget_switches_total'),
  },
  'budget.unpriced': {
    level: 'warn',
    says: 'no limit in US dollars bounds calls to this provider: llm.prices does not name its model (one that costs nothing has prices of 0)',
    labels: ['provider'],
    metric: events('sluice_budget_unpriced_total'),
  },
  'ledger.failed': {
    level: 'warn',
    says: 'a call could not be written down: before the call, it waits; after it, it stands at its reservation until its batch is committed; `history`: what was spent so far could not be read, and all calls wait, once an episode',
    labels: ['task', 'record'],
    metric: events('sluice_ledger_failures_total'),
  },
  'llm.failed-over': {
    level: 'warn',
    says: 'a provider did not answer a call, or would not, and the next one was asked',
    labels: ['provider', 'why'],
    metric: events('sluice_llm_failovers_total'),
  },
  'llm.concurrency': {
    level: 'info',
    says: 'how many calls at once this provider is asked: halved when it is too busy (429), slowly more again',
    labels: ['provider'],
    metric: gauge('sluice_llm_concurrency_calls', 'calls'),
  },
  'llm.kept-local': {
    level: 'info',
    says: 'items of tenants whose text must not leave (local_only) went to reviews instead of the LLM',
    labels: ['task'],
    metric: counter('sluice_llm_kept_local_items_total', 'items'),
  },
  'llm.coalesced': {
    level: 'debug',
    says: 'items whose text, or one nearly the same, was being asked about already: `answered` by that, at no cost, or `asked` about after all',
    labels: ['task', 'text', 'where', 'became'],
    metric: counter('sluice_llm_coalesced_items_total', 'items'),
  },
  'llm.waited': {
    level: 'debug',
    says: 'a batch waited for the answers to texts that others were asking about',
    labels: ['task'],
    metric: histogram('sluice_llm_wait_seconds', 'seconds'),
  },
  'breaker.changed': {
    level: 'warn',
    says: 'the circuit breaker changed its state',
    labels: ['provider', 'state'],
    metric: events('sluice_breaker_changes_total'),
  },
  'model.loaded': {
    level: 'info',
    says: 'a model passed its checks and serves',
    labels: ['task'],
    metric: events('sluice_model_loads_total'),
  },
  'model.absent': {
    level: 'warn',
    says: 'the task has no model yet: every item goes to the fallback',
    labels: ['task'],
    metric: events('sluice_model_absent_total'),
  },
  'model.failed': {
    level: 'error',
    says: 'a model call failed',
    labels: ['task'],
    metric: events('sluice_model_failures_total'),
  },
  'process.failed': {
    level: 'error',
    says: 'the process cannot go on',
    labels: ['code'],
    metric: events('sluice_failures_total'),
  },
} as const satisfies Record<string, EventSpec>

export type EventName = keyof typeof EVENTS

/** What any event may carry. */
export type EventFields = Readonly<Record<string, string | number | boolean>>

type Spec<Name extends EventName> = (typeof EVENTS)[Name]

/** What this event must carry: its labels and what its metric adds up; more fields may follow, for the log line. */
export type FieldsOf<Name extends EventName> = EventFields &
  Readonly<Record<Spec<Name>['labels'][number], string | number>> &
  Readonly<Record<Exclude<Spec<Name>['metric']['of'], 'events'>, number>>
