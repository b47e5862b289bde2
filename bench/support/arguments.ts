// The command line of a benchmark: options and words as the head of its file gives them. Anything else, a file that is not
// there or a model that cannot be read ends in a line that says so, never in a stack.
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { SluiceError } from '../../src/core/error.ts'
import type { ParseArgsConfig } from 'node:util'

const MISUSED = 2

/** Ends the process with code 2 and the usage where something else was given. */
export function benchArguments<Given extends NonNullable<ParseArgsConfig['options']>>(options: Given, words_max = 0) {
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error instanceof SluiceError ? error.describe() : (error.stack ?? error.message)}\n`)
    process.exit(1)
  })
  const help = { help: { type: 'boolean', short: 'h' } } as const
  try {
    const parsed = parseArgs({ options: { ...options, ...help } as Given & typeof help, allowPositionals: true })
    if (process.argv.some((word) => word === '--help' || word === '-h')) {
      process.stdout.write(usage())
      process.exit(0)
    }
    const extra = parsed.positionals[words_max]
    if (extra !== undefined) misused(`"${extra}" means nothing here`)
    return parsed
  } catch (error) {
    return misused((error as Error).message.split('. To specify')[0]!)
  }
}

/** The file or folder, where it is there; ends the process as `benchArguments` does where it is not. */
export function present(path: string): string {
  return existsSync(path) ? path : misused(`${path} is not there: nothing to measure on`)
}

function misused(why: string): never {
  process.stderr.write(`bench ${basename(process.argv[1]!, '.ts')}: ${why}\n${usage()}`)
  process.exit(MISUSED)
}

/** The indented lines at the head of the benchmark's own file. */
function usage(): string {
  const lines = readFileSync(process.argv[1]!, 'utf8').split('\n')
  const from = lines.findIndex((line) => line.startsWith('//   '))
  const to = lines.findIndex((line, at) => at > from && !line.startsWith('//   '))
  const own = lines.slice(from, to).map((line) => line.slice('//   '.length))
  return `usage: ${own.join('\n     ')}\n`
}
