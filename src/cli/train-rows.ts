// Where `sluice train` reads its rows from: files in order, one row at a time, so that only what a kind keeps of them
// stays in memory.
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileDigest, readLines } from '../adapters/files/rows.ts'
import { SluiceError } from '../core/error.ts'
import type { TaskFile } from '../adapters/config/tasks.ts'
import type { Row } from '../learn/examples.ts'

interface Rows {
  readonly rows: AsyncIterable<Row>
  /** A file's count of rows is complete once its rows are read. */
  readonly files: readonly { readonly file: string; readonly rows: number; readonly sha256: string }[]
}

/** Throws SL102 where a file cannot be read. Reading throws SL502 where one is empty, the signal's reason when aborted. */
export async function readRows(paths: readonly string[], signal: AbortSignal): Promise<Rows> {
  const files = await Promise.all(
    paths.map(async (path) => ({ file: basename(path), rows: 0, sha256: await fileDigest(path) })),
  )
  async function* rows(): AsyncGenerator<Row> {
    for (const [at, path] of paths.entries()) {
      const counted = files[at]!
      for await (const { number, value } of readLines(path)) {
        signal.throwIfAborted()
        counted.rows++
        yield { file: counted.file, line: number, value }
      }
      if (counted.rows === 0) throw new SluiceError('SL502', `${path}: no rows`)
    }
  }
  return { rows: rows(), files }
}

/** The value of the first row of all; throws SL502 where the files hold none. */
export async function firstRow(paths: readonly string[]): Promise<unknown> {
  for (const path of paths) for await (const { value } of readLines(path)) return value
  throw new SluiceError('SL502', `${paths.join(', ')}: no rows`)
}

/** Files .jsonl and .jsonl.gz of the task's folder data/, in order of name; throws SL104 where there are none. */
export async function dataOfTask({ dir, task }: TaskFile): Promise<string[]> {
  const folder = join(dir, 'data')
  const names = existsSync(folder) ? await readdir(folder) : []
  const files = names.filter((name) => /\.jsonl(\.gz)?$/.test(name)).sort()
  if (files.length === 0)
    throw new SluiceError('SL104', `task ${task.name} has no rows in ${folder}/: give --data FILE, or put .jsonl there`)
  return files.map((name) => join(folder, name))
}
