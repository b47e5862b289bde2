// Several running things as one: when one fails the others drain, and the first failure is the failure of all.

interface Running {
  run(): Promise<void>
  drain(): Promise<void>
  degraded?(): readonly string[]
}

export interface Whole extends Required<Running> {
  /** `onFailure` hears of the first failure at once; the run itself ends when all parts have. */
  run(onFailure?: (error: unknown) => void): Promise<void>
}

export function allOf(parts: readonly Running[]): Whole {
  const drain = async (): Promise<void> => {
    await Promise.all(parts.map((part) => part.drain()))
  }
  return {
    drain,
    degraded: () => parts.flatMap((part) => part.degraded?.() ?? []),
    async run(onFailure) {
      let failure: { readonly error: unknown } | undefined
      const runs = parts.map((part) =>
        part.run().catch(async (error: unknown) => {
          if (!failure) onFailure?.(error)
          failure ??= { error }
          await drain()
        }),
      )
      await Promise.all(runs)
      if (failure) throw failure.error
    },
  }
}
