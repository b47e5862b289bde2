// The card of a lexical model: what it was trained on, how good it is and by which command, what it cannot do.
// Says counts and figures only, never a row.
import { percent } from '../percent.ts'
import { thresholdsText } from '../../core/calibration/propose.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Examples } from '../examples.ts'
import type { TrainedLexical } from './train.ts'

const levels = (shares: readonly number[]) => shares.map((share, level) => `l${level + 1} ${percent(share)}`).join(', ')

/** Weights are the deepest level's. */
function nearestText(calibration: TrainedLexical['calibration'], parts: TrainedLexical['parts']): string {
  const weights = calibration?.nearest?.at(-1)
  if (weights === undefined) return ''
  return `Beside it an index of the rarer words, hashed, of the titles it learned from (${(parts['nearest.bin']!.length / 1e6).toFixed(1)} MB): an answer is believed by
what the model gives it (weight ${weights.own.toFixed(2)} of its logit) and by how much nearer the nearest title with its label lies than the
nearest with another (weight ${weights.near.toFixed(2)} of the difference of cosines).
`
}

export function lexicalCard(
  data: Examples,
  { validation, temperatures, thresholds, promise, calibration, parts, epochs, model }: TrainedLexical,
  job: { readonly files: Manifest['data']; readonly command: string },
): string {
  const tenth = (value: number) => value.toFixed(2)
  return `# Model card
Kind \`lexical\`: hashed word and character n-grams, tf-idf, an eight-bit table of embeddings and, where the tree leaves
room, of linear margins; one softmax over existing paths folded from a head per level. ${(model.length / 1e6).toFixed(1)} MB. Reads: ${data.segments.join(', ')}.
${nearestText(calibration, parts)}
## Data
${job.files.map(({ file, rows, sha256 }) => `- ${file}: ${rows} rows (SHA-256 ${sha256.slice(0, 16)}…)`).join('\n')}

${data.examples.length} rows used; ${data.labels.paths.length} labels in ${data.labels.levels} levels.
${data.warnings.map((warning) => `- ${warning}`).join('\n')}

## Figures
Fitted beside this model, with the same settings, without a validation part, on little data several times, each time
without another one: ${validation.rows} rows in all, chosen by a hash of the title so that equal titles never stand on both sides.
These fits chose the number of epochs (${epochs}), the temperatures (${temperatures.map(tenth).join(', ')}) and the thresholds (${thresholdsText(thresholds)}), and
gave these figures; this model was fitted on all rows.

- accuracy, deeper levels only where the whole path is right: ${levels(validation.servedAccuracy)}
- the same before rounding to eight bits: ${levels(validation.accuracy)}
- at the thresholds: ${percent(validation.coverage)} answered, ${percent(validation.selectiveAccuracy)} of them wholly right
- ${promise}
- expected calibration error (15 bins, deepest level): ${validation.ece.toFixed(3)}; before temperatures ${validation.eceBefore.toFixed(3)}

Temperatures and epochs were chosen on the same validation rows, so calibration error and certificate are a little too
good; and they are of those fits, not of this one, which knows those rows too. Their loss and accuracy by epoch: [curve.svg](curve.svg).
All figures are printed by

    ${job.command}

## Limits
- Knows words and pieces of words, not meaning: a product whose words it never saw is a guess, which the gate should stop.
- Answers only paths that the data holds; labels are as noisy as the data's.
- Calibrated for texts like those it was trained on; \`sluice evaluate\` on your own rows says how far that carries.
`
}
