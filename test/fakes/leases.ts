// The lease port in memory, on a clock that tests move: what Redis does, seen by several processes of a test.
import type { Clock } from '../../src/ports/clock.ts'
import type { Leases } from '../../src/ports/leases.ts'

export interface LeaseStore {
  /** The port as one process has it. */
  port(): Leases & { die(): void }
  held(): readonly string[]
}

export interface LeaseStoreOptions {
  readonly clock: Clock
  readonly lease_ms: number
  /** Between two keys of one `take`: others may come between. */
  readonly pause_ms?: number
}

export function leaseStore({ clock, lease_ms, pause_ms = 0 }: LeaseStoreOptions): LeaseStore {
  const held = new Map<string, { owner: string; until: number }>()
  const ownerOf = (key: string): string | undefined => {
    const found = held.get(key)
    return found !== undefined && found.until > clock.elapsed() ? found.owner : undefined
  }
  return {
    held: () => [...held.keys()].filter((key) => ownerOf(key) !== undefined),
    port() {
      let dead = false
      return {
        lease_ms,
        /** As a killed process: nothing is renewed or given back any more. */
        die: () => void (dead = true),
        async take(keys, owner) {
          const owners: (string | undefined)[] = []
          for (const key of keys) {
            if (dead) return keys.map(() => undefined)
            const now = ownerOf(key) ?? owner
            if (now === owner) held.set(key, { owner, until: clock.elapsed() + lease_ms })
            owners.push(now)
            if (pause_ms > 0) await clock.sleep(pause_ms)
          }
          return owners
        },
        look: async (keys) => keys.map(ownerOf),
        async renew(keys, owner) {
          for (const key of keys)
            if (!dead && ownerOf(key) === owner) held.set(key, { owner, until: clock.elapsed() + lease_ms })
        },
        async free(keys, owner) {
          for (const key of keys) if (!dead && ownerOf(key) === owner) held.delete(key)
        },
      }
    },
  }
}
