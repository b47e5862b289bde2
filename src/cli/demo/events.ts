// The demo's stream: every example once, in a seeded order, mixed with repeats and near-repeats as shops have them
// (17 % exact, 18 % near; the shares of the article on caching in front of an LLM). Pure; knows the truth of each item.
import { random as randomFrom } from '../../core/random.ts'
import type { Row } from '../produce.ts'

export interface DemoEvent {
  readonly topic: 'products' | 'queries'
  /** What is sent; carries no truth. */
  readonly row: Row
  /** Truth by entity, as results are keyed. */
  readonly truth: ReadonlyMap<string, string>
}

interface Example {
  readonly id: string
  readonly title?: string
  readonly label?: readonly string[]
  readonly query?: string
  readonly candidates?: readonly { readonly id: string; readonly label: string; readonly title: string }[]
}

const EXACT_REPEATS = 0.17
const NEAR_REPEATS = 0.18

export function demoEvents(products: readonly Row[], queries: readonly Row[], seed: number): DemoEvent[] {
  const random = randomFrom(seed)
  const fresh = shuffle([...products.map(productEvent), ...queries.map(queryEvent)], random)
  const events: DemoEvent[] = []
  while (fresh.length > 0) {
    const dice = random()
    const earlier = events[Math.floor(random() * events.length)]
    if (earlier && dice < EXACT_REPEATS) events.push(again(earlier, events.length, (text) => text))
    else if (earlier && dice < EXACT_REPEATS + NEAR_REPEATS)
      events.push(again(earlier, events.length, (text) => nearly(text, random)))
    else events.push(fresh.pop()!)
  }
  return events
}

function productEvent(row: Row): DemoEvent {
  const { label, ...rest } = row as unknown as Example
  return { topic: 'products', row: rest as Row, truth: new Map([[rest.id, (label ?? []).join(' > ')]]) }
}

function queryEvent(row: Row): DemoEvent {
  const { candidates = [], ...rest } = row as unknown as Example
  const bare = candidates.map((candidate) => ({ ...candidate, label: undefined })) // the truth is not sent
  const truth = new Map(candidates.map(({ id, label }) => [`${rest.id}/${id}`, label]))
  return { topic: 'queries', row: { ...rest, candidates: bare } as Row, truth }
}

/** The same goods listed again under a new id, by another seller perhaps. */
function again(event: DemoEvent, number: number, change: (text: string) => string): DemoEvent {
  const example = event.row as unknown as Example
  const id = `${example.id}.${number}`
  const truth = new Map([...event.truth].map(([entity, label]) => [entity.replace(example.id, id), label]))
  if (event.topic === 'products')
    return { ...event, truth, row: { ...event.row, id, title: change(example.title ?? '') } }
  const candidates = (example.candidates ?? []).map((candidate) => ({ ...candidate, title: change(candidate.title) }))
  return { ...event, truth, row: { ...event.row, id, candidates } }
}

const CHANGES: readonly ((text: string) => string)[] = [
  (text) => `${text} - Best Price`,
  (text) => text.replace(/(\d+)\s*(g|ml|kg|l)\b/i, '$1$2'),
  (text) => [...text.split(' ').slice(-1), ...text.split(' ').slice(0, -1)].join(' '),
  (text) => text.replace(/,/g, ' -'),
  (text) => `${text} (Imported)`,
]

function nearly(text: string, random: () => number): string {
  return CHANGES[Math.floor(random() * CHANGES.length)]!(text)
}

function shuffle<T>(list: T[], random: () => number): T[] {
  for (let last = list.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const kept = list[last]!
    list[last] = list[other]!
    list[other] = kept
  }
  return list
}
