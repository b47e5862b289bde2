// `npm run sluice -- VERB …`: the command line from a clone, on the servers of a running `npm run stack` where the
// environment does not name others. It starts no servers, and becomes the command: signals reach it directly.
import { join } from 'node:path'
import { root } from '../paths.ts'
import { SetupError } from '../process.ts'
import { runningStackEnv } from '../stack/stack-file.ts'

export const cliPath = join(root, 'src', 'cli', 'main.ts')

export function sluice(args: readonly string[]): never {
  const env: Record<string, string> = { ...runningStackEnv() }
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value
  const argv = [process.execPath, ...process.execArgv, cliPath, ...args]
  if (!process.execve) throw new SetupError(`this platform cannot do it; run: node ${cliPath} ${args.join(' ')}`)
  return process.execve(process.execPath, argv, env)
}
