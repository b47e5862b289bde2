// Everything that `sluice benchmark` needs, in a folder of its own: a rubric, rows, a benchmark.yaml for a stand-in. The
// texts are those of examples/queries.jsonl, which the stand-in knows.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const EXAMPLES = join(ROOT, 'examples')

export interface BenchmarkFolder {
  readonly dir: string
  /** Arguments that ask `llms` the sample; more may follow. */
  args(llms: readonly string[], ...more: string[]): string[]
}

export function benchmarkFolder(llms: Readonly<Record<string, object>>): BenchmarkFolder {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-benchmark-'))
  const put = (name: string, value: unknown) => writeFileSync(join(dir, name), JSON.stringify(value))
  put('labels.json', { paths: [['exact'], ['substitute'], ['complement'], ['irrelevant']] })
  // YAML reads JSON.
  put('rubric.yaml', {
    each: 'candidates',
    segments: { query: '{query}', title: '{candidates.brand?} {candidates.title}' },
    describe: { exact: 'all of the query' },
    instruction: 'Choose how relevant each product is to the query.',
  })
  put('benchmark.yaml', { llms })
  const lines = readFileSync(join(EXAMPLES, 'queries.jsonl'), 'utf8').split('\n')
  writeFileSync(join(dir, 'in.jsonl'), lines.slice(0, 20).join('\n'))
  writeFileSync(join(dir, 'out.jsonl'), lines.slice(20, 40).join('\n'))
  const file = (name: string) => join(dir, name)
  return {
    dir,
    args: (names, ...more) =>
      [
        ['--rubric', file('rubric.yaml'), '--data', file('in.jsonl')],
        ['--llms', file('benchmark.yaml'), '--out', file('out'), '--sample', '30'],
        names.flatMap((name) => ['--llm', name]),
        more,
      ].flat(),
  }
}
