// `npm run stack`: the servers alone, their addresses as NAME=value lines on stdout, until Ctrl-C.
import { onStopSignal } from '../process.ts'
import { startStack, stackEnv } from '../stack/stack.ts'
import { writeStackFile } from '../stack/stack-file.ts'

const STAY_MS = 60_000

export async function stack(): Promise<number> {
  const running = await startStack()
  const stopped = new Promise((resolve) => onStopSignal(resolve))
  const env = stackEnv(running)
  writeStackFile(env)
  for (const [name, value] of Object.entries(env)) console.log(`${name}=${value}`)
  process.stderr.write('sluice: the servers are up; Ctrl-C ends them\n')
  const alive = setInterval(() => {}, STAY_MS) // servers in containers leave nothing else to wait for
  await stopped
  clearInterval(alive)
  await running.stop()
  return 0
}
