// Several running things as one: when one fails the others drain, and the first failure is the failure of all.

interface Running {
  run(): Promise<void>
  drain(): Promise<void>
}

export function allOf(parts: readonly Running[]): Running {
  const drain = async (): Promise<void> => {
    await Promise.all(parts.map((part) => part.drain()))
  }
  return {
    drain,
    async run() {
      let failure: { readonly error: unknown } | undefined
      const runs = parts.map((part) =>
        part.run().catch(async (error: unknown) => {
          failure ??= { error }
          await drain()
        }),
      )
      await Promise.all(runs)
      if (failure) throw failure.error
    },
  }
}
