// `sluice run ROLE…`: runs roles in this process until a signal; drains, then exits 0.
import { SluiceError } from '../core/error.ts'
import { openProcess } from '../roles/process.ts'
import { ROLES } from '../roles/roles.ts'
import type { Role } from '../roles/runtime.ts'
import { load, parse } from './command.ts'

const HELP = `usage: sluice run ROLE… [--task NAME] [--config FILE]

Roles: ${Object.keys(ROLES).join(', ')}. Several roles share one process.
  --task NAME   classify only this task (may be repeated; default: all of tasks.enabled); fallback serves all
SIGTERM or Ctrl-C drains: what is being handled is finished and committed. A second Ctrl-C ends at once.
`

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, { task: { type: 'string', multiple: true } }, Infinity)
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const unknown = positionals.find((role) => !Object.hasOwn(ROLES, role))
  if (unknown !== undefined || positionals.length === 0) {
    const what = unknown === undefined ? 'no role is named' : `no role "${unknown}"`
    throw new SluiceError('SL104', `${what}; there are: ${Object.keys(ROLES).join(', ')}`)
  }
  const deployment = await load(values.config)
  const missing = values.task?.find((name) => !deployment.tasks.some(({ task }) => task.name === name))
  if (missing !== undefined) throw new SluiceError('SL104', `no task "${missing}" in tasks.enabled`)
  const tasks = deployment.tasks.filter(({ task }) => values.task?.includes(task.name) ?? true)
  const opened = Promise.withResolvers<Role>()
  // From the start: a signal while the process opens ends it before it takes anything.
  drainOnSignal(deployment.config.shutdown_ms, async () => (await opened.promise).drain())
  const whole = await openProcess(deployment, positionals, tasks)
  opened.resolve(whole)
  await whole.run()
  process.exit(0) // a client that was still joining its group would keep the process
}

/** A drain that outlasts its time ends the process with 1; so does a second signal, at once. */
function drainOnSignal(shutdown_ms: number, drain: () => Promise<void>): void {
  let asked = false
  const onSignal = (): void => {
    if (asked) process.exit(1)
    asked = true
    setTimeout(() => {
      process.stderr.write(`sluice: not drained in ${shutdown_ms} ms; nothing uncommitted was lost\n`)
      process.exit(1)
    }, shutdown_ms).unref()
    void drain()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}
