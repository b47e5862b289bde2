// The rows of `sluice benchmark`: files in, one sample a split out, with what was left out and why.
import { createHash } from 'node:crypto'
import { fileDigest, readLines } from '../adapters/files/rows.ts'
import { drawSample, sampleDigest, sampleReader } from '../core/benchmark/sample.ts'
import { SluiceError } from '../core/error.ts'
import type { SampleItem, SampleOptions } from '../core/benchmark/sample.ts'
import type { Split } from '../core/benchmark/score.ts'
import type { Task } from '../core/task.ts'
import type { SplitSource } from '../learn/benchmark/markdown.ts'

/**
 * `seen`: digests of the other split, whose items are left out here; those of this one are added to it.
 * Throws SL102 where a file cannot be read, SL502 where a line is not
 * JSON or no row can be used.
 */
export async function readSplit(
  name: Split['name'],
  files: readonly string[],
  task: Task,
  options: SampleOptions,
  seen: Set<string>,
): Promise<{ readonly split: Split; readonly source: SplitSource }> {
  const read = sampleReader(task, sha256)
  const items: SampleItem[] = []
  const leftOut: Record<string, number> = {}
  let firstBad = ''
  const here = new Set<string>()
  for (const file of files)
    for await (const { number, value } of readLines(file))
      for (const item of read(value)) {
        const bad = 'bad' in item ? item.bad : seen.has(item.digest) ? 'stand in the other split too' : undefined
        if (bad !== undefined) {
          leftOut[bad] = (leftOut[bad] ?? 0) + 1
          firstBad ||= `${file}, line ${number}: rows like this ${bad}`
        } else if (!('bad' in item)) {
          items.push(item)
          here.add(item.digest)
        }
      }
  if (items.length === 0)
    throw new SluiceError('SL502', firstBad === '' ? `${files.join(', ')}: no rows` : `no row can be used; ${firstBad}`)
  for (const digest of here) seen.add(digest)
  const drawn = drawSample(items, options)
  return {
    split: { name, items: drawn },
    source: {
      name,
      files: await Promise.all(files.map(async (file) => ({ file, sha256: await fileDigest(file) }))),
      available: here.size,
      leftOut,
      digest: sampleDigest(drawn, sha256),
    },
  }
}

/** Hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
