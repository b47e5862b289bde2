// Loaded into a child process before Sluice (`node --import`): changes one piece of its sources as they are loaded, so
// that a test can show that it would notice. Fails loudly where that piece is not there any more.
import { registerHooks } from 'node:module'
import type { SluiceOptions } from './sluice.ts'

export interface Mutant {
  /** Path under src/. */
  readonly file: string
  readonly from: string
  readonly to: string
}

const VARIABLE = 'SLUICE_TEST_MUTANT'

/** What a process is started with to run changed. */
export function mutated(mutants: readonly Mutant[]): SluiceOptions {
  return { preload: [import.meta.url], env: { [VARIABLE]: JSON.stringify(mutants) } }
}

const given = process.env[VARIABLE]
if (given !== undefined) (JSON.parse(given) as Mutant[]).forEach(mutate)

function mutate({ file, from, to }: Mutant): void {
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context)
      if (!url.endsWith(`/src/${file}`)) return loaded
      const source = String(loaded.source)
      if (!source.includes(from)) throw new Error(`mutant: ${file} does not hold: ${from}`)
      return { ...loaded, source: source.replace(from, () => to) }
    },
  })
}
