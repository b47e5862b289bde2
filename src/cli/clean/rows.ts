// The rows as `sluice clean` writes them: as they were, but for the label and who gave it.
import type { Row } from '../../learn/examples.ts'
import type { Fate } from '../../learn/clean/verdicts.ts'

/** JSON of the rows that stay. A row that no fate names stays as it is, one that cannot be used too. */
export async function* cleanedLines(
  rows: AsyncIterable<Row>,
  fates: ReadonlyMap<string, Fate>,
): AsyncGenerator<string> {
  for await (const { file, line, value } of rows) {
    const fate = fates.get(`${file}:${line}`)
    if (fate === undefined) yield JSON.stringify(value)
    else if (fate.label !== undefined) yield JSON.stringify(withLabel(value as { label: unknown }, fate))
  }
}

/** A flat label that stood as one text stays one text. */
function withLabel(row: { readonly label: unknown }, { label, human }: Fate): object {
  const written = typeof row.label === 'string' ? label![0] : label
  return { ...row, label: written, ...(human ? { by: 'human' } : {}) }
}
