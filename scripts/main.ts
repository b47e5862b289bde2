// The commands behind package.json's scripts, run by scripts/setup.mjs once Node 24 and the dependencies are there.
// Wiring only: each command is a file of commands/ and gives an exit code.
import { bench } from './commands/bench.ts'
import { check } from './commands/check.ts'
import { demo } from './commands/demo.ts'
import { sluice } from './commands/sluice.ts'
import { stack } from './commands/stack.ts'
import { test, testFaults, testUnit } from './commands/test.ts'
import { handleSignals, SetupError } from './process.ts'

type Command = (args: readonly string[]) => number | Promise<number>

const COMMANDS: Readonly<Record<string, Command>> = {
  bench,
  check,
  demo,
  sluice,
  stack,
  test,
  'test:faults': testFaults,
  'test:unit': testUnit,
}

handleSignals()
const [name = '', ...args] = process.argv.slice(2)
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (!command) {
  process.stderr.write(`sluice: no command "${name}"; there are: ${Object.keys(COMMANDS).join(', ')}\n`)
  process.exit(2)
}
try {
  process.exit(await command(args))
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`sluice: ${error.message}\n`)
  process.exit(1)
}
