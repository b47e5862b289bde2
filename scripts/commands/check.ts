// `npm run check`: everything that can be said about the sources without running them. One line a step, and the
// output of those that fail; no servers, no network.
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../paths.ts'
import { run } from '../process.ts'

const STEP_TIMEOUT_MS = 120_000

type Step = { readonly name: string; readonly args: readonly string[] }

const tool = (path: string) => join(root, 'node_modules', path)

const STEPS: readonly Step[] = [
  { name: 'types', args: [tool('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
  { name: 'types of core, without Node', args: [tool('typescript/bin/tsc'), '-p', 'src/core/tsconfig.json'] },
  { name: 'lint', args: [tool('oxlint/bin/oxlint'), '--deny-warnings'] },
  { name: 'format', args: [tool('oxfmt/bin/oxfmt'), '--check'] },
  { name: 'architecture', args: ['--test', ...globSync('test/architecture/*.test.ts', { cwd: root }).sort()] },
]

/** Runs all steps, also after one has failed; 1 when any did. */
export async function check(): Promise<number> {
  const env = process.stdout.isTTY ? process.env : { ...process.env, NO_COLOR: '1' }
  let failed = 0
  for (const step of STEPS) {
    const begin = performance.now()
    const args = [...process.execArgv, ...step.args]
    const { code, output } = await run(process.execPath, args, { cwd: root, env, timeout_ms: STEP_TIMEOUT_MS })
    const seconds = ((performance.now() - begin) / 1000).toFixed(1)
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${step.name} (${seconds} s)`)
    if (code === 0) continue
    failed++
    console.log(output.trimEnd())
  }
  return failed === 0 ? 0 : 1
}
