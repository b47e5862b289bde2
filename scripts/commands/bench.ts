// `npm run bench [NAME…]`: the programs of bench/, in order of name, on servers set up for measuring.
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from '../paths.ts'
import { SetupError } from '../process.ts'
import { withStack } from './with-stack.ts'

export async function bench(args: readonly string[]): Promise<number> {
  const all = globSync('bench/*.ts', { cwd: root })
    .map((file) => basename(file, '.ts'))
    .sort()
  const unknown = args.find((name) => !all.includes(name))
  if (unknown !== undefined || all.length === 0) {
    throw new SetupError(`no benchmark ${unknown ?? ''}; there are: ${all.join(', ') || 'none'}`)
  }
  const names = args.length > 0 ? args : all
  return withStack(
    names.map((name) => [join(root, 'bench', `${name}.ts`)]),
    { throughput: true },
  )
}
