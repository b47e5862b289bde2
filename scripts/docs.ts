// Writes the documents that are generated from the code and from data: `node scripts/docs.ts`.
// With --check it writes nothing, names each stale file and exits 1. Must never hold facts of its own.
import { readFile, writeFile } from 'node:fs/promises'
import { renderAsyncApi } from './docs/asyncapi.ts'
import { JSON_SCHEMAS, renderConfiguration } from './docs/configuration.ts'
import { renderErrors, renderMetrics } from './docs/tables.ts'
import type { Document } from './docs/page.ts'

const DOCUMENTS: readonly Document[] = [
  { path: 'docs/metrics.md', render: renderMetrics },
  { path: 'docs/errors.md', render: renderErrors },
  { path: 'docs/configuration.md', render: renderConfiguration },
  { path: 'docs/asyncapi.yaml', render: renderAsyncApi },
  ...JSON_SCHEMAS,
]

async function main(check: boolean): Promise<void> {
  for (const { path, render } of DOCUMENTS) {
    const file = new URL(`../${path}`, import.meta.url)
    const wanted = await render()
    const found = await readFile(file, 'utf8').catch(() => undefined)
    if (found === wanted) continue
    if (check) {
      process.exitCode = 1
      console.error(`${path} is ${found === undefined ? 'missing' : 'stale'}: run \`node scripts/docs.ts\``)
      continue
    }
    await writeFile(file, wanted)
    console.log(`wrote ${path}`)
  }
}

await main(process.argv.includes('--check'))
