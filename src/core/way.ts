// The way of an item through the tiers, as its outcome's header `sluice-way` has it: `exact:0.4/500 local:12.3/120` is
// tier:milliseconds/items, in the order in which they were asked. The times are of the whole batch, which share it.

export interface Asked {
  /** A tier, or `known` (the caches) and `llm` in the fallback role. */
  readonly tier: string
  readonly took_ms: number
  /** Items of the batch that were asked about. */
  readonly items: number
}

export function writeWay(asked: readonly Asked[]): string {
  return asked.map(({ tier, took_ms, items }) => `${tier}:${took_ms.toFixed(1)}/${items}`).join(' ')
}

const STEP = /^([a-z]{1,20}):(\d{1,12}\.\d)\/(\d{1,9})$/
const STEPS_MAX = 20

/** The reverse; empty where it is none of ours. */
export function readWay(text: string): readonly Asked[] {
  const steps = text.split(' ', STEPS_MAX).map((step) => STEP.exec(step))
  return steps.every((step) => step !== null)
    ? steps.map(([, tier, took_ms, items]) => ({ tier: tier!, took_ms: Number(took_ms), items: Number(items) }))
    : []
}
