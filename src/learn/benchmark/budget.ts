// The money of a benchmark. A call takes out the most it can cost before it starts, and puts back what it did not use;
// so no order of calls and no number of them at once can spend more than there is.

export interface Budget {
  /** US dollars: what calls have cost, earlier runs included. */
  readonly spent: number
  /**
   * Waits while other calls hold what is missing. Resolves to the function that says what the call has cost, or to
   * undefined where the money does not reach: then nothing may be asked.
   */
  reserve(usd: number): Promise<((cost: number) => void) | undefined>
}

/** `cap` in US dollars. */
export function openBudget(cap: number, spentBefore: number): Budget {
  let spent = spentBefore
  let calls = 0
  let held = 0
  let settled = Promise.withResolvers<void>()

  return {
    get spent() {
      return spent
    },
    async reserve(usd) {
      const reaches = () => usd === 0 || spent + held + usd <= cap
      while (!reaches()) {
        if (calls === 0) return undefined
        await settled.promise
      }
      calls++
      held += usd
      return (cost) => {
        calls--
        // The sum of differences is no exact zero; nothing held is.
        held = calls === 0 ? 0 : held - usd
        spent += cost
        settled.resolve()
        settled = Promise.withResolvers()
      }
    },
  }
}
