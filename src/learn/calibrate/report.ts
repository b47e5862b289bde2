// What a calibration did, for people, for programs and for the model's card. Counts and shares only, never a row.
import { percent } from '../percent.ts'
import { shareInterval } from '../../core/calibration/binomial.ts'
import { thresholdsText } from '../../core/calibration/propose.ts'
import { reliabilityBins } from '../../core/calibration/reliability.ts'
import { calibrationError } from '../../core/metrics.ts'
import type { Calibrated } from './calibrate.ts'
import type { Scored } from './score.ts'

/** For --json and calibration.json. Shares in [0, 1]; `ece`: expected calibration error, 15 bins, a level each. */
export function calibrationFigures(done: Calibrated) {
  const { calibrator, certified, fitRows, before, after, unknownLabels } = done
  const rows = after.hits[0]!.length
  const gate = certified.kind === 'certified' ? certified.certificate : undefined
  return {
    method: calibrator?.method ?? 'none',
    fitted: calibrator && { rows: fitRows, found: calibrator.found },
    rows,
    unknownLabels,
    ece: { before: errorsOf(before), after: errorsOf(after) },
    thresholds: gate && done.folder.manifest.thresholds,
    coverage: gate && gate.passed / rows,
    precision: gate && 1 - gate.errors / gate.passed,
    precisionInterval: gate && shareInterval(gate.passed - gate.errors, gate.passed),
    certificate: done.folder.manifest.certificate,
    reliability: { before: binsOf(before), after: binsOf(after) },
  }
}

function errorsOf({ probabilities, hits }: Scored): number[] {
  return probabilities.map((own, level) => calibrationError(own, hits[level]!))
}

function binsOf({ probabilities, hits }: Scored) {
  return probabilities.map((own, level) => reliabilityBins(own, hits[level]!))
}

/** Lines `name  value`, and the calibration error of each level. */
function lines(done: Calibrated): [string, string][] {
  const { method, rows, unknownLabels, ece, fitted, coverage, precision, precisionInterval, thresholds } =
    calibrationFigures(done)
  const { certified } = done
  const errors = ece.before.map((error, level): [string, string] => [
    `calibration error l${level + 1}`,
    method === 'none' ? error.toFixed(3) : `${error.toFixed(3)} → ${ece.after[level]!.toFixed(3)}`,
  ])
  const unknown = unknownLabels > 0 ? `, ${unknownLabels} of all with a label the model does not know (wrong)` : ''
  const head: [string, string][] = [['rows that certify', `${rows}${unknown}`]]
  if (fitted !== undefined) head.push([`fitted on ${fitted.rows} rows`, `${method}: ${fitted.found}`])
  if (certified.kind === 'refused') return [...head, ...errors]
  const { certificate } = certified
  return [
    ...head,
    ...errors,
    ['thresholds', thresholdsText(thresholds!)],
    ['coverage', percent(coverage!)],
    ['precision of the covered', `${percent(precision!)} (95 %: ${precisionInterval!.map(percent).join(' to ')})`],
    [
      'certified',
      `at least ${percent(certificate.bound)} right, chance of failing ${certificate.delta} (${certificate.errors} errors in ${certificate.passed})`,
    ],
    ['how', `fixed sequence, Clopper–Pearson; ${certificate.tested} of ${certificate.grid.length} thresholds tested`],
  ]
}

export function calibrationTable(done: Calibrated): string {
  return `${lines(done)
    .map(([name, value]) => `  ${name.padEnd(26)}${value}`)
    .join('\n')}\n`
}

const HEADING = '## Calibration'

/** The section of the card. */
export function calibrationSection(done: Calibrated): string {
  const { certificate } = done.folder.manifest
  const data = certificate?.data.map(
    ({ file, rows, sha256 }) => `- ${file}: ${rows} rows (SHA-256 ${sha256.slice(0, 16)}…)`,
  )
  return `${HEADING}
Done after training by \`sluice calibrate\`; thresholds and calibration errors given elsewhere in this card are older.
${done.calibrator === undefined ? '' : 'It takes the place of what training calibrated with: titles that the model asked are asked no more.\n'}
${lines(done)
  .map(([name, value]) => `- ${name}: ${value}`)
  .join('\n')}

Rows, none of which the model was trained on:

${(data ?? []).join('\n')}

The promise is about items like these rows; it says nothing about items of another kind or time.

![reliability](reliability.svg)
`
}

/** The card with this section in place of an older one of the same heading, or at the end. */
export function withSection(card: string, section: string): string {
  const from = card.indexOf(`${HEADING}\n`)
  if (from < 0) return `${card.trimEnd()}\n\n${section}`
  const next = card.indexOf('\n## ', from + HEADING.length)
  return `${card.slice(0, from)}${section}${next < 0 ? '' : card.slice(next)}`
}
