// The report folder of `sluice clean`: summary.json, changes.jsonl, two-labels.jsonl, report.md, review.html.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readLines } from '../../adapters/files/rows.ts'
import { writeLines } from '../../adapters/files/whole.ts'
import { SluiceError } from '../../core/error.ts'
import { reviewPage } from '../../learn/clean/page.ts'
import { countsMarkdown, twoLabelsOf } from '../../learn/clean/report.ts'
import type { ChangeRecord, Counts } from '../../learn/clean/report.ts'
import type { CleanRows } from '../../learn/clean/rows.ts'

interface Files {
  readonly data: readonly { readonly file: string; readonly sha256: string }[]
}

export async function writeReport(
  dir: string,
  data: CleanRows,
  changes: readonly ChangeRecord[],
  summary: Counts & Files & { readonly command: string },
): Promise<void> {
  const template = await readFile(new URL('page.html', import.meta.url), 'utf8')
  const json = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value))
  await writeLines(join(dir, 'changes.jsonl'), json(changes))
  await writeLines(join(dir, 'two-labels.jsonl'), json(twoLabelsOf(data)))
  await writeLines(join(dir, 'report.md'), [countsMarkdown(summary, summary.command).trimEnd()])
  await writeLines(join(dir, 'review.html'), [reviewPage(template, changes, summary).trimEnd()])
  await writeLines(join(dir, 'summary.json'), [JSON.stringify(summary, undefined, 1)])
}

/** What `writeReport` wrote. Throws SL102 where a file is missing, SL502 where it is no report. */
export async function readReport(
  dir: string,
): Promise<{ readonly changes: readonly ChangeRecord[]; readonly files: Files['data'] }> {
  const file = join(dir, 'summary.json')
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new SluiceError('SL102', `${file}: ${error.message}`, { cause: error })
  })
  const changes: ChangeRecord[] = []
  for await (const { value } of readLines(join(dir, 'changes.jsonl'))) changes.push(value as ChangeRecord)
  const files = parsed(text)?.data
  if (!Array.isArray(files) || !changes.every(isChange))
    throw new SluiceError('SL502', `${dir} holds no report of sluice clean`)
  return { changes, files }
}

function parsed(text: string): Partial<Files> | undefined {
  try {
    return JSON.parse(text) as Partial<Files>
  } catch {
    return undefined
  }
}

function isChange({ row, action, old, new: to }: ChangeRecord): boolean {
  return typeof row === 'string' && /^(replace|drop)$/.test(action) && Array.isArray(old) && Array.isArray(to)
}
