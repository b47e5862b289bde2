// What has to be done to bring the broker's topics to what topics/ says. Decides only; the adapter does it.

export interface WantedTopic {
  readonly name: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
}

export interface FoundTopic {
  readonly partitions: number
  /** Only what differs from the broker's defaults need be here. */
  readonly config: Readonly<Record<string, string>>
}

export type TopicStep =
  | { readonly kind: 'create'; readonly topic: string; readonly says: string }
  | { readonly kind: 'keep'; readonly topic: string; readonly says: string }
  | { readonly kind: 'configure'; readonly topic: string; readonly says: string }
  | { readonly kind: 'refuse'; readonly topic: string; readonly says: string }

/**
 * One step per topic. Changing the number of partitions is refused: keys would move to other partitions and order per
 * key would be lost. So is turning cleanup from delete to compact or back: either loses records.
 */
export function planTopics(wanted: readonly WantedTopic[], found: ReadonlyMap<string, FoundTopic>): TopicStep[] {
  return wanted.map((topic): TopicStep => {
    const { name } = topic
    const there = found.get(name)
    if (!there) return { kind: 'create', topic: name, says: `${topic.partitions} partitions` }
    if (there.partitions !== topic.partitions)
      return { kind: 'refuse', topic: name, says: `has ${there.partitions} partitions, wanted ${topic.partitions}` }
    const changes = Object.entries(topic.config).filter(([key, value]) => there.config[key] !== value)
    const cleanup = changes.find(([key]) => key === 'cleanup.policy')
    if (cleanup)
      return {
        kind: 'refuse',
        topic: name,
        says: `cleanup.policy is ${there.config['cleanup.policy']}, wanted ${cleanup[1]}`,
      }
    if (changes.length === 0) return { kind: 'keep', topic: name, says: 'as wanted' }
    const says = changes.map(([key, value]) => `${key}: ${there.config[key] ?? 'default'} → ${value}`).join(', ')
    return { kind: 'configure', topic: name, says }
  })
}
