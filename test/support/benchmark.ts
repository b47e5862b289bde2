// A small benchmark to test with: items whose text says their label, a fake LLM, a store in memory, money that is counted.
import { random } from '../../src/core/random.ts'
import { addUsage, NO_USAGE } from '../../src/core/llm/usage.ts'
import { askLlm } from '../../src/learn/benchmark/ask-llm.ts'
import { openBudget } from '../../src/learn/benchmark/budget.ts'
import { fakeClock } from '../fakes/clock.ts'
import { fakeLlm } from '../fakes/llm.ts'
import { hash, redact, shopTask } from './llm.ts'
import { honest, never, truth } from './llm-world.ts'
import type { SampleItem } from '../../src/core/benchmark/sample.ts'
import type { Split } from '../../src/core/benchmark/score.ts'
import type { LlmUsage } from '../../src/core/llm/usage.ts'
import type { Task } from '../../src/core/task.ts'
import type { LlmContestant } from '../../src/learn/benchmark/ask-llm.ts'
import type { CallStore, StoredCall } from '../../src/ports/call-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { FakeLlm, ReadRequest } from '../fakes/llm.ts'

export function itemOf(text: string, gold = truth(text).split('/')): SampleItem {
  return { digest: hash(text).slice(0, 16), segments: [text], gold }
}

/** "Food 0", "Drinks 1", "Toys 2", "Food 3", … */
export function shopSplit(count: number, name: Split['name'] = 'in-distribution'): Split {
  const texts = Array.from({ length: count }, (_, at) => `${['Food', 'Drinks', 'Toys'][at % 3]} ${name} ${at}`)
  return { name, items: texts.map((text) => itemOf(text)) }
}

export interface MemoryStore extends CallStore {
  readonly calls: Map<string, StoredCall>
}

export function memoryStore(calls: Map<string, StoredCall> = new Map()): MemoryStore {
  const total = (): LlmUsage => [...calls.values()].reduce((sum, { usage }) => addUsage(sum, usage), NO_USAGE)
  return {
    calls,
    get: (key) => calls.get(key),
    put: async (key, call) => void calls.set(key, call),
    flush: async () => {},
    total,
    close: async () => {},
  }
}

export interface Bench {
  readonly clock: Clock
  readonly llm: FakeLlm
  /** One run of the contestant; the store, where it is given, remembers the runs before. */
  ask(splits: readonly Split[], options?: AskOptions): Promise<Awaited<ReturnType<typeof askLlm>> & { spent: number }>
}

interface AskOptions {
  readonly store?: MemoryStore
  readonly cap?: number
  readonly spent?: number
  readonly stop?: AbortSignal
  readonly limits?: Partial<LlmContestant['limits']>
  readonly task?: Task
  readonly settings?: string
}

export const PRICE = { input: 1, cached_input: 0.1, output: 4 }

export function bench(answer: (asked: ReadRequest) => string = honest): Bench {
  const clock = fakeClock()
  const llm = fakeLlm(answer, { clock })
  return {
    clock,
    llm,
    async ask(splits, { store = memoryStore(), cap = 1_000, spent = 0, stop = never, limits, task, settings } = {}) {
      const budget = openBudget(cap, spent)
      const contestant: LlmContestant = {
        name: 'fake',
        llm,
        task: task ?? shopTask(),
        price: PRICE,
        settings: settings ?? '',
        limits: {
          backoff_ms: 500,
          backoff_max_ms: 8_000,
          tries_max: 4,
          timeout_ms: 60_000,
          items_per_call: 1,
          calls_concurrently: 3,
          segment_chars_max: 600,
          output_tokens_max: 1_000,
          ...limits,
        },
      }
      const shared = { budget, store, clock, hash, redact, random: random(7), stop, signal: never }
      const asked = await askLlm(contestant, splits, { ...shared, progress: () => {} })
      return { ...asked, spent: budget.spent }
    },
  }
}
