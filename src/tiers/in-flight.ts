// Which texts of a task are being asked about now: by the turns of this process, and through leases by those of others.
// A hold lasts until its turn is over, which is when its answer stands in the shared cache, or never will.
// Must never hold longer than the turn, and never wait itself.
import type { Item } from '../core/item.ts'
import { mayWaitFor } from '../core/llm/turn.ts'
import type { Clock } from '../ports/clock.ts'
import type { Leases } from '../ports/leases.ts'
import type { Turn } from '../ports/tier.ts'

interface Hold {
  readonly turn: Turn
  readonly item: Item
}

export interface InFlight {
  /** The earlier turn of this process that asks about the text now. */
  ahead(item: Item, turn: Turn): Turn | undefined
  /** Texts that earlier turns of this process ask about now. */
  others(turn: Turn): readonly Hold[]
  /** Tells this process that the turn asks about the texts, as far as no other does. Takes effect at once. */
  hold(items: readonly Item[], turn: Turn): void
  /** Tells other processes; those that earlier turns of theirs ask about, by the name of that turn. Adds one round trip. */
  lease(items: readonly Item[], turn: Turn): Promise<ReadonlyMap<Item, string>>
  /** Those of the texts, by hash, that are still leased to the turn of that name. */
  stillLeased(leased: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>>
}

/** Parts of a lease's time: two renewals may be lost. */
const RENEWALS_PER_LEASE = 3

export function createInFlight(leases: Leases | undefined, clock: Clock): InFlight {
  const holds = new Map<string, Hold>()
  const leasedBy = new Map<Turn, Set<string>>()

  async function keepUntilOver(turn: Turn, shared: Leases, keys: ReadonlySet<string>): Promise<void> {
    const over = new AbortController()
    void turn.over.then(() => over.abort())
    while (!over.signal.aborted) {
      await clock.sleep(shared.lease_ms / RENEWALS_PER_LEASE, over.signal).catch(() => {})
      if (!over.signal.aborted) await shared.renew([...keys], turn.name)
    }
    leasedBy.delete(turn)
    await shared.free([...keys], turn.name)
  }

  function keysOf(turn: Turn, shared: Leases): Set<string> {
    const known = leasedBy.get(turn)
    if (known) return known
    const keys = new Set<string>()
    leasedBy.set(turn, keys)
    void keepUntilOver(turn, shared, keys)
    return keys
  }

  return {
    ahead({ textHash }, turn) {
      const held = holds.get(textHash)?.turn
      return held !== undefined && mayWaitFor(turn.name, held.name) ? held : undefined
    },
    others: (turn) => [...holds.values()].filter((hold) => mayWaitFor(turn.name, hold.turn.name)),
    hold(items, turn) {
      const taken = items.filter(({ textHash }) => !holds.has(textHash))
      for (const item of taken) holds.set(item.textHash, { turn, item })
      void turn.over.then(() => {
        for (const { textHash } of taken) if (holds.get(textHash)?.turn === turn) holds.delete(textHash)
      })
    },
    async lease(items, turn) {
      const ahead = new Map<Item, string>()
      if (leases === undefined || items.length === 0) return ahead
      const keys = keysOf(turn, leases)
      // Whatever becomes of the question: a lease taken without our hearing of it is given back in the end.
      for (const { textHash } of items) keys.add(textHash)
      const owners = await leases.take(
        items.map(({ textHash }) => textHash),
        turn.name,
      )
      items.forEach((item, at) => {
        const owner = owners[at]
        if (owner !== undefined && mayWaitFor(turn.name, owner)) ahead.set(item, owner)
      })
      return ahead
    },
    async stillLeased(leased) {
      const keys = [...leased.keys()]
      const owners = (await leases?.look(keys)) ?? []
      return new Map([...leased].filter(([, name], at) => owners[at] === name))
    },
  }
}
