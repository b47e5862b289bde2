// The page to spot-check changes on: a template, and the changes as JSON inside it. The page loads nothing from anywhere.
import { hash32 } from '../../core/random.ts'
import type { ChangeRecord, Counts } from './report.ts'

/** More changes than this are no spot check: as many are drawn. */
const CHANGES_MAX = 2000

/** The template holds `{{data}}` inside a script element of type application/json. */
export function reviewPage(template: string, changes: readonly ChangeRecord[], counts: Counts): string {
  const shown = changes.length <= CHANGES_MAX ? changes : drawn(changes)
  return template.replace('{{data}}', () => embedded({ total: changes.length, counts, changes: shown }))
}

function drawn(changes: readonly ChangeRecord[]): ChangeRecord[] {
  const draws = changes.map((change) => ({ change, draw: hash32(change.row) }))
  const last = draws.map(({ draw }) => draw).sort((a, b) => a - b)[CHANGES_MAX - 1]!
  return draws.filter(({ draw }) => draw <= last).map(({ change }) => change)
}

/** JSON that can stand in a script element: no text of a product ends the element or opens a comment in it. */
function embedded(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('>', '\\u003e')
    .replaceAll('&', '\\u0026')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')
}
