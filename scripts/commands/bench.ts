// `npm run bench [NAME…] [ARGUMENTS…]`: the programs of bench/, by default all in order of name, on servers set up for
// measuring. What follows the names is handed to each of them.
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from '../paths.ts'
import { SetupError } from '../process.ts'
import { withStack } from './with-stack.ts'

export async function bench(args: readonly string[]): Promise<number> {
  const all = globSync('bench/*.ts', { cwd: root })
    .map((file) => basename(file, '.ts'))
    .sort()
  const firstOther = args.findIndex((arg) => !all.includes(arg))
  const named = firstOther === -1 ? args : args.slice(0, firstOther)
  const names = args.length > 0 ? named : all
  if (names.length === 0) {
    throw new SetupError(`no benchmark ${args[0] ?? ''}; there are: ${all.join(', ') || 'none'}`)
  }
  const rest = args.slice(named.length)
  return withStack(
    names.map((name) => [join(root, 'bench', `${name}.ts`), ...rest]),
    { throughput: true },
  )
}
