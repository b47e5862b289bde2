// So many at once and no more, first come, first served; the number may change while they wait.

export interface Slots {
  readonly inUse: number
  /** Resolves to the function that gives the slot back, to be called once; rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<() => void>
}

/** `limit`: how many may be out now, at least 1; it is looked at again whenever a slot comes back. */
export function createSlots(limit: () => number): Slots {
  let inUse = 0
  const waiting = new Set<() => void>()
  const release = () => {
    inUse--
    for (const enter of waiting) {
      if (inUse >= limit()) break
      enter()
    }
  }
  return {
    get inUse() {
      return inUse
    },
    take: (signal) =>
      new Promise((resolve, reject) => {
        const leave = () => {
          waiting.delete(enter)
          reject(signal.reason)
        }
        const enter = () => {
          waiting.delete(enter)
          signal.removeEventListener('abort', leave)
          inUse++
          resolve(release)
        }
        if (signal.aborted) leave()
        else if (inUse < limit()) enter()
        else {
          waiting.add(enter)
          signal.addEventListener('abort', leave, { once: true })
        }
      }),
  }
}
