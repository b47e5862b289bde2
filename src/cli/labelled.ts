// Labelled rows and the model they are held against, as `sluice evaluate` and `sluice calibrate` take them.
// Reads; judges nothing.
import { readLines } from '../adapters/files/rows.ts'
import { SluiceError } from '../core/error.ts'
import { parseTaxonomyRow } from '../learn/examples.ts'
import { parseRelevanceRow } from '../learn/pair/examples.ts'
import { findTask } from './command.ts'
import type { LabelPath } from '../core/labels.ts'
import type { Manifest } from '../ports/manifest.ts'

export interface Labelled {
  readonly texts: readonly string[]
  readonly label: LabelPath
}

/** How the rows of a model's task are read; a bad row comes back as the reason. */
function parserOf({ segments }: Manifest): (value: unknown) => Labelled | { readonly bad: string } {
  return segments[0] === 'query' ? parseRelevanceRow : (value) => parseTaxonomyRow(value, segments)
}

/** All rows of the files. Throws SluiceError SL502, naming file and line, at the first row without text or label. */
export async function readLabelled(files: readonly string[], manifest: Manifest): Promise<Labelled[]> {
  const parseRow = parserOf(manifest)
  const rows: Labelled[] = []
  for (const file of files)
    for await (const { number, value } of readLines(file)) {
      const row = parseRow(value)
      if ('bad' in row) throw new SluiceError('SL502', `${file}, line ${number}: rows like this ${row.bad}`)
      rows.push(row)
    }
  if (rows.length === 0) throw new SluiceError('SL502', `${files.join(', ')}: no rows`)
  return rows
}

/** The model's folder, and the task's own thresholds where task.yaml has some. Throws SL104 unless one of both is named. */
export async function modelOf(
  verb: string,
  values: { readonly task?: string | undefined; readonly model?: string | undefined; readonly config: string },
): Promise<{ readonly dir: string; readonly gate: readonly number[] | undefined }> {
  if ((values.task === undefined) === (values.model === undefined))
    throw new SluiceError('SL104', `${verb} needs either --task NAME or --model DIR`)
  if (values.model !== undefined) return { dir: values.model, gate: undefined }
  const { task, modelDir, ownGate } = await findTask(values.config, values.task!)
  return { dir: modelDir, gate: ownGate ? task.gate.thresholds : undefined }
}
