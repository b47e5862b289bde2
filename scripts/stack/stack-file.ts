// .sluice/stack.json in the checkout: where the running `npm run stack` is, for `npm run sluice`. A file whose
// process is gone counts as none.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../paths.ts'
import { cleanUpAtExit } from '../process.ts'

const path = join(root, '.sluice', 'stack.json')

type StackFile = { readonly pid: number; readonly env: Readonly<Record<string, string>> }

/** Writes the file and removes it when this process exits. */
export function writeStackFile(env: Readonly<Record<string, string>>): void {
  mkdirSync(dirname(path), { recursive: true })
  const file: StackFile = { pid: process.pid, env }
  writeFileSync(path, `${JSON.stringify(file, undefined, 2)}\n`)
  cleanUpAtExit(() => {
    if (readStackFile()?.pid === process.pid) rmSync(path, { force: true })
  })
}

/** The variables of a stack that runs now; none when there is no such stack. */
export function runningStackEnv(): Readonly<Record<string, string>> {
  const file = readStackFile()
  return file && isAlive(file.pid) ? file.env : {}
}

function readStackFile(): StackFile | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as StackFile
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
