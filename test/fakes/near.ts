// The shared store of similar texts in memory: what Redis keeps, without Redis.
import type { NearEntry, NearStore } from '../../src/ports/near.ts'

const WAYS = 4

export function memoryNear(): NearStore {
  const values = new Map<string, { value: string; rank: number }>()
  const bands = new Map<string, string[]>()
  let off = false
  const keys = (hashes: Uint32Array) => Array.from(hashes, (hash, band) => `${band}:${hash}`)
  return {
    async find(questions) {
      return questions.map((question) => {
        const ids = new Set(keys(question).flatMap((key) => bands.get(key) ?? []))
        return [...ids].flatMap((id): NearEntry[] => {
          const held = values.get(id)
          return held === undefined ? [] : [{ id, value: held.value }]
        })
      })
    },
    isOff: async () => off,
    async sayOff(isOff) {
      off = isOff
    },
    async add(entries) {
      for (const { id, value, bands: hashes, rank } of entries) {
        if ((values.get(id)?.rank ?? 0) > rank) continue
        values.set(id, { value, rank })
        for (const key of keys(hashes))
          bands.set(key, [id, ...(bands.get(key) ?? []).filter((other) => other !== id)].slice(0, WAYS))
      }
    },
  }
}
