// `npm run demo`: the demo of the command line with servers of its own.
import { cliPath } from './sluice.ts'
import { withStack } from './with-stack.ts'

export const demo = (args: readonly string[]): Promise<number> => withStack([[cliPath, 'demo', ...args]])
