// `npm run demo`: the demo of the command line with servers of its own, and with the stand-in for an LLM where the
// environment names no real one. It always says which of the two answers.
import { join } from 'node:path'
import { PLAINLY, STAND_IN_MODEL, startStandIn } from '../llm-stand-in.ts'
import { root } from '../paths.ts'
import { cliPath } from './sluice.ts'
import { withStack } from './with-stack.ts'

export async function demo(args: readonly string[]): Promise<number> {
  const { OPENAI_API_KEY, OPENAI_BASE_URL } = process.env
  if (OPENAI_API_KEY || OPENAI_BASE_URL) return withStack([[cliPath, 'demo', ...args]])
  const standIn = await startStandIn({
    port: 0,
    seed: 1,
    latency_ms: [300, 900],
    errorRate: 0.04,
    examplesDir: join(root, 'examples'),
  })
  process.stderr.write(`${PLAINLY}\nSet OPENAI_API_KEY (and OPENAI_BASE_URL) to ask a real one.\n`)
  process.env['OPENAI_BASE_URL'] = standIn.url
  process.env['SLUICE_LLM_MODEL'] = STAND_IN_MODEL
  try {
    return await withStack([[cliPath, 'demo', ...args]])
  } finally {
    await standIn.stop()
  }
}
