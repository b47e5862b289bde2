// Runs a Node program with servers of its own around it: demo, tests and benchmarks all do.
import { root } from '../paths.ts'
import { foreground } from '../process.ts'
import { startStack, stackEnv } from '../stack/stack.ts'
import type { StackOptions } from '../stack/stack.ts'

/** Runs each program (script and arguments) in turn until one fails; gives its exit code, 0 when none did. */
export async function withStack(
  programs: readonly (readonly string[])[],
  options: Partial<StackOptions> = {},
): Promise<number> {
  const stack = await startStack(options)
  try {
    for (const program of programs) {
      const code = await foreground(program, root, { ...withoutStack(), ...stackEnv(stack) })
      if (code !== 0) return code
    }
    return 0
  } finally {
    await stack.stop()
  }
}

/** Our environment without addresses of other servers. */
export function withoutStack(): NodeJS.ProcessEnv {
  const env = { ...process.env }
  for (const name of ['SLUICE_KAFKA', 'SLUICE_REGISTRY', 'SLUICE_REDIS']) delete env[name]
  return env
}
