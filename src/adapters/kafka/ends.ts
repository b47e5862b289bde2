// Where a partition really ends. kafkajs's admin asks for offsets as a reader of committed records sees them, and has no
// option: it stops where a transaction is open. Whoever reads what is not committed has to ask otherwise.
import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'

/** Kafka protocol, ListOffsets v2, isolation_level: 0 is READ_UNCOMMITTED. */
const READ_UNCOMMITTED = 0

type Broker = { prototype: { listOffsets(request: object): Promise<unknown> } }

const asking = new AsyncLocalStorage<true>()
let done = false

/** Offsets that are asked for inside are those of all records, of open transactions too. */
export function withOpenTransactions<T>(ask: () => Promise<T>): Promise<T> {
  if (!done) {
    done = true
    const { prototype } = createRequire(import.meta.url)('kafkajs/src/broker') as Broker
    const { listOffsets } = prototype
    prototype.listOffsets = function (request) {
      const isolation = asking.getStore() ? { isolationLevel: READ_UNCOMMITTED } : {}
      return listOffsets.call(this, { ...request, ...isolation })
    }
  }
  return asking.run(true, ask)
}
