// The budget port: a call takes out the most it can cost before it starts, and puts back what it did not use. So no number
// of calls at once, in however many processes, spends more than there is; and a process that dies has put nothing back.
import type { Amount, Spending } from '../core/llm/budget.ts'

/**
 * Whose money it was: `shared` is counted for all processes together; `own` is a part of the budget that this process has
 * for itself, because there is nobody to count for all, or he does not answer.
 */
export type Purse = 'shared' | 'own'

export type Reserved =
  | {
      readonly kind: 'reserved'
      readonly purse: Purse
      /**
       * Asked once the call stands in the ledger, and before it is made: false where those who count may have begun anew
       * without it. Then it must not be made. Never throws.
       */
      readonly stands: () => Promise<boolean>
      /** Says what the call has cost, once. Where nobody knows, it is not called: the reservation stands. Never throws. */
      readonly settle: (actual: Amount) => Promise<void>
    }
  | {
      readonly kind: 'over'
      /** What refuses: a limit's name, or who could not be asked. */
      readonly limit: string
      /** Above 0. Asking again earlier is of no use, unless another call is settled. */
      readonly wait_ms: number
      /** Of this call a whole window has no room: a smaller one may fit. */
      readonly never: boolean
    }

export interface Budget {
  /** Never throws, and waits for the ledger to be read where it is not known what was spent. Nothing may be asked of a provider unless it was reserved. */
  reserve(task: string, most: Amount): Promise<Reserved>
}

/**
 * What was spent and reserved of a purse since then, by all processes, those that are gone included. A counter that knows
 * nothing (a new process, a Redis that was emptied) begins with it. May throw.
 */
export type History = (purse: Purse, since_ms: number) => Promise<readonly Spending[]>
