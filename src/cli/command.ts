// What every verb shares: options, the configuration, errors as people want them. No verb's own logic.
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { loadDeployment } from '../adapters/config/load.ts'
import { closest } from '../core/closest.ts'
import { SluiceError } from '../core/error.ts'
import type { ParseArgsConfig } from 'node:util'
import type { Deployment } from '../adapters/config/load.ts'
import type { TaskFile } from '../adapters/config/tasks.ts'

export type Options = NonNullable<ParseArgsConfig['options']>

const COMMON = {
  config: { type: 'string', default: 'sluice.yaml' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies Options

/** Strict: an unknown option throws SL104 with a did-you-mean, and so do more than `words_max` words that are none. */
export function parse<Given extends Options>(args: readonly string[], options: Given, words_max = 0) {
  const all = { ...COMMON, ...options }
  try {
    const parsed = parseArgs({ args: [...args], options: all, allowPositionals: true, strict: true })
    const extra = parsed.positionals[words_max]
    if (extra !== undefined) throw new SluiceError('SL104', `"${extra}" means nothing here`)
    return parsed
  } catch (error) {
    if (error instanceof SluiceError) throw error
    const message = (error as Error).message.split('. To specify')[0]!
    const unknown = /'--([^' ]+)/.exec(message)?.[1]
    const near = unknown === undefined ? undefined : closest(unknown, Object.keys(all))
    throw new SluiceError('SL104', near && near !== unknown ? `${message} (did you mean --${near}?)` : message)
  }
}

/** Bounds of a number: `from` and `to` belong to it, `above` and `below` do not. */
export interface Bounds {
  readonly whole?: boolean
  readonly from?: number
  readonly to?: number
  readonly above?: number
  readonly below?: number
}

/** What the option `--name` says. Throws SL104, with the bounds, where it is no number or one outside them. */
export function numberOf(name: string, text: string, bounds: Bounds = {}): number {
  const { whole = false, from = -Infinity, to = Infinity, above = -Infinity, below = Infinity } = bounds
  const value = text.trim() === '' ? NaN : Number(text)
  const inside = value >= from && value <= to && value > above && value < below
  if (inside && (whole ? Number.isSafeInteger(value) : Number.isFinite(value))) return value
  const words = (['from', 'above', 'to', 'below'] as const).filter((word) => bounds[word] !== undefined)
  const range = words.map((word) => `${word} ${bounds[word]}`).join(above > -Infinity ? ' and ' : ' ')
  throw new SluiceError('SL104', `--${name} is a ${whole ? 'whole ' : ''}number ${range}`.trimEnd() + `, not "${text}"`)
}

/** Reads the configuration file and everything it names. */
export function load(file: string): Promise<Deployment> {
  if (!existsSync(file))
    throw new SluiceError(
      'SL102',
      `${file}; give the configuration with --config FILE, or start from a folder with sluice.yaml`,
    )
  return loadDeployment(file, process.env)
}

/** The task of that name in the configuration file. Throws SL104, naming those there are, where it has none. */
export async function findTask(config: string, name: string): Promise<TaskFile> {
  const { tasks } = await load(config)
  const found = tasks.find(({ task }) => task.name === name)
  if (found) return found
  const names = tasks.map(({ task }) => task.name).join(', ')
  throw new SluiceError('SL104', `no task "${name}" in ${config}; there is ${names}`)
}

/** Writes the error the way its reader wants it; the exit code is 2 for usage and configuration, else 1. */
export function report(error: unknown, json: boolean): number {
  const known = error instanceof SluiceError
  const code = known ? error.code : 'SL000'
  if (json) {
    process.stdout.write(`${JSON.stringify({ error: { code, message: (error as Error).message } })}\n`)
  } else if (known) {
    process.stderr.write(`sluice: ${error.describe()}\n`)
  } else {
    process.stderr.write(`sluice: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  }
  return known && error.code.startsWith('SL1') ? 2 : 1
}
