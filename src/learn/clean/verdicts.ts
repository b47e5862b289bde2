// What a person decided about proposed changes on the spot-check page, joined with the changes.
import { SluiceError } from '../../core/error.ts'
import { pathKey } from '../../core/labels.ts'
import type { LabelPath } from '../../core/labels.ts'
import type { Row } from '../examples.ts'
import type { ChangeRecord } from './report.ts'

/** What becomes of a row: another label, or none and the row is dropped. */
export interface Fate {
  readonly label: LabelPath | undefined
  /** Whether a person said so. */
  readonly human: boolean
}

/** The fate of every changed row by its key; a change without a verdict stands as proposed. */
export function fatesOf(
  changes: readonly ChangeRecord[],
  verdicts: ReadonlyMap<string, boolean> = new Map(),
): ReadonlyMap<string, Fate> {
  return new Map(
    changes.map((change): [string, Fate] => {
      const verdict = verdicts.get(change.row)
      const proposed = change.action === 'replace' ? change.new : undefined
      return [change.row, { label: verdict === false ? change.old : proposed, human: verdict !== undefined }]
    }),
  )
}

/**
 * True for accepted, false for rejected, by row. Throws SL502 naming the line where one is no verdict, speaks of a row
 * that the changes do not hold, or of another old label than they do.
 */
export function verdictsOf(lines: readonly Row[], changes: readonly ChangeRecord[]): Map<string, boolean> {
  const byRow = new Map(changes.map((change) => [change.row, change]))
  return new Map(
    lines.map(({ file, line, value }): [string, boolean] => {
      const { row, verdict, old } = (value ?? {}) as Partial<Record<string, unknown>>
      const wrong = (what: string) => new SluiceError('SL502', `${file}, line ${line}: ${what}`)
      if (typeof row !== 'string' || (verdict !== 'accept' && verdict !== 'reject'))
        throw wrong('no verdict; it looks like {"row", "old", "verdict": "accept" or "reject"}')
      const change = byRow.get(row)
      if (change === undefined) throw wrong(`row ${row} is none of the proposed changes`)
      if (!Array.isArray(old) || pathKey(old as string[]) !== pathKey(change.old))
        throw wrong(`row ${row} has another label in the proposed changes: the verdicts are of another run`)
      return [row, verdict === 'accept']
    }),
  )
}
