// The Java that runs the broker: 17 or later, from JAVA_HOME or PATH, or installed by apt where we are root.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { run, SetupError } from '../process.ts'
import type { Say } from '../process.ts'
import { aptInstall, installHint, which } from './system.ts'

/** `id` changes with the build of Java: what one build has made (a class-data archive), another cannot use. */
export type Java = { readonly command: string; readonly id: string }

const JAVA_MAJOR_MIN = 17
const VERSION_TIMEOUT_MS = 20_000
const PACKAGES = ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'openjdk-25-jre-headless']

export async function findJava(say: Say): Promise<Java> {
  const found = await lookForJava()
  if (found) return found
  if (await aptInstall(PACKAGES, say)) {
    const installed = await lookForJava()
    if (installed) return installed
  }
  const hint = installHint('openjdk-17-jre-headless', 'openjdk@21 && export JAVA_HOME="$(brew --prefix openjdk@21)"')
  throw new SetupError(`Java ${JAVA_MAJOR_MIN} or later is missing (it runs the Kafka broker): ${hint}`)
}

async function lookForJava(): Promise<Java | undefined> {
  const home = process.env['JAVA_HOME']
  const commands = [home ? join(home, 'bin', 'java') : undefined, which('java')]
  for (const command of commands) {
    if (command === undefined) continue
    const { code, output } = await run(command, ['-version'], { timeout_ms: VERSION_TIMEOUT_MS })
    if (code !== 0 || javaMajor(output) < JAVA_MAJOR_MIN) continue
    return { command, id: createHash('sha256').update(output).digest('hex').slice(0, 12) }
  }
  return undefined
}

/** `openjdk version "17.0.15" …` → 17; the old `"1.8.0_402"` → 1. */
function javaMajor(output: string): number {
  return Number(/version "(\d+)/.exec(output)?.[1] ?? 0)
}
