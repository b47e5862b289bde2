// `npm test` and its parts: Node's test runner over test/, with or without servers. What the runner prints last
// is the last thing printed. Arguments that begin with - go to the runner, others name test files or globs.
import { globSync } from 'node:fs'
import { root } from '../paths.ts'
import { foreground, SetupError } from '../process.ts'
import { withoutStack, withStack } from './with-stack.ts'

const FILE_TIMEOUT_MS = 15 * 60_000
const RUNNER = ['--test', '--test-reporter=spec', '--test-concurrency=1', `--test-timeout=${FILE_TIMEOUT_MS}`]

/** All tests; stops the servers at the end. */
export const test = (args: readonly string[]): Promise<number> => withStack([runner(['test/**/*.test.ts'], args)])

export const testFaults = (args: readonly string[]): Promise<number> =>
  withStack([runner(['test/faults/**/*.test.ts'], args)])

/** No servers; contract suites then run on their in-memory fakes alone. */
export const testUnit = (args: readonly string[]): Promise<number> =>
  foreground(runner(['test/core/**/*.test.ts', 'test/contract/**/*.test.ts'], args), root, withoutStack())

function runner(globs: readonly string[], args: readonly string[]): string[] {
  const flags = args.filter((arg) => arg.startsWith('-'))
  const named = args.filter((arg) => !arg.startsWith('-'))
  const patterns = named.length > 0 ? named : globs
  const files = globSync(patterns, { cwd: root })
  if (files.length === 0) throw new SetupError(`no test file matches ${patterns.join(' ')}`)
  return [...RUNNER, ...flags, ...files.sort()]
}
