// `npm run bench [NAME…] [ARGUMENTS…]`: the programs of bench/, by default those that measure the speed of the stream in a
// few minutes. Those that need servers come last, on servers set up for measuring. What follows the names is handed on.
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from '../paths.ts'
import { foreground, SetupError } from '../process.ts'
import { withoutStack, withStack } from './with-stack.ts'

/** Those that measure through servers; the others are not disturbed by any. */
const WITH_SERVERS: readonly string[] = ['classify', 'latency', 'outage']

/** The others take long, fetch what they compare with, or need ../shared/data: they are asked for by name. */
const USUAL: readonly string[] = ['lexical', 'classify', 'latency']

export async function bench(args: readonly string[]): Promise<number> {
  const all = globSync('bench/*.ts', { cwd: root })
    .map((file) => basename(file, '.ts'))
    .sort()
  const firstOther = args.findIndex((arg) => !all.includes(arg))
  const named = firstOther === -1 ? args : args.slice(0, firstOther)
  const names = args.length > 0 ? named : USUAL
  if (names.length === 0) {
    throw new SetupError(`no benchmark ${args[0] ?? ''}; there are: ${all.join(', ') || 'none'}`)
  }
  if (args.length === 0)
    console.log(`sluice: there are also, by name: ${all.filter((name) => !USUAL.includes(name)).join(', ')}`)
  const rest = args.slice(named.length)
  const program = (name: string) => [join(root, 'bench', `${name}.ts`), ...rest]
  for (const name of names.filter((name) => !WITH_SERVERS.includes(name))) {
    const code = await foreground(program(name), root, withoutStack())
    if (code !== 0) return code
  }
  const served = names.filter((name) => WITH_SERVERS.includes(name))
  return served.length === 0 ? 0 : withStack(served.map(program), { throughput: true })
}
