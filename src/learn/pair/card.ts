// The card of a pair model: what it was trained on, how good it is and by which command, what it cannot do.
// Says counts and figures only, never a row.
import { uncertifiedText } from '../../core/calibration/propose.ts'
import type { Manifest } from '../../ports/manifest.ts'
import { ACCURACY_COST, type Figures } from './calibrate.ts'
import { type Offsets, offsetsByName } from './decisions.ts'
import type { PairExamples } from './examples.ts'
import { DEFAULT_FIT } from './fit.ts'
import { figuresTable } from './table.ts'
import type { PairTraining } from './train.ts'

export function pairCard(
  data: PairExamples,
  training: PairTraining,
  job: { readonly files: Manifest['data']; readonly command: string; readonly bytes: number },
): string {
  const { sources, labels, warnings } = data
  const names = labels.paths.map(([name]) => name!)
  const lines = (of: (found: PairTraining['bySource'][number]) => Figures) =>
    training.bySource.map((found, at) => ({ source: sources[at]!, figures: of(found) }))
  return `# Model card
Kind \`pair\`: features of a (query, product) pair (words, numbers, brands, heads that agree or clash; word vectors from
co-occurrence; hashed words and crossings with learned weights) → ${training.rounds} rounds of boosted trees → softmax. The trees
know by which source a pair is judged; the answer is the mean over sources, weighted by how much the pair's style (lengths,
punctuation, usual words) speaks of each. One ONNX graph. ${(job.bytes / 1e6).toFixed(1)} MB with its lexicon. Reads: query, title (brand first), description.

## Data
${dataLines(job.files, data)}

Rows of smaller files weigh more (cube root of the ratio to the largest, at most 4). A file of fewer than ${DEFAULT_FIT.sourceRows} rows is no
source of its own: its rows count to the source that writes alike.
${warnings.map((warning) => `- ${warning}`).join('\n')}

## Figures
Every row is judged by sources, linear scores, trees and decision offsets fitted without its query (five folds by a hash of the
query); word statistics (no labels) are of all rows. The model itself is a last fit on all rows with the same settings.
Class columns: precision / recall (rows).

${figuresTable(
  'source, as decided',
  names,
  lines(({ decided }) => decided),
)}

Without the offsets, most probable class:

${figuresTable(
  'source, plain',
  names,
  lines(({ plain }) => plain),
)}

Macro-F1 is the mean over classes that occur in the source. Offsets added to log probabilities, a set a source, weighed by
how much the pair's style speaks of it: ${offsetsText(data, training.files, training.offsets)}. They maximise the source's macro-F1; what it loses beyond
${100 * ACCURACY_COST} points of accuracy counts against them. Temperatures of the sources: ${training.temperatures.map((one) => one.toFixed(2)).join(', ')}. Expected calibration
error of the decided class (15 bins): ${training.ece.toFixed(3)}. Gate: ${uncertifiedText([training.threshold])}.
All of it is printed by

    ${job.command}

## Limits
- Knows spelling, word statistics and what it saw people judge, not the world: a pair whose relation no data shows is a guess, which
  the gate should stop.
- Sources mean slightly different things by the same class; texts in the style of none are answered for their mixture.
- Probabilities are calibrated, decisions are not their arg-max: a rare class may be answered with a probability below one half,
  and such an answer does not pass a gate above it.
${names.includes('complement') ? COMPLEMENT : ''}`
}

/** Of each source that is one of its own. */
export function offsetsText({ sources, labels }: PairExamples, files: readonly number[], offsets: Offsets): string {
  const names = labels.paths.map(([name]) => name!)
  return Object.entries(offsetsByName(sources, files, offsets))
    .map(([source, own]) => `${source} (${names.map((name, c) => `${name} ${own[c]!.toFixed(2)}`).join(', ')})`)
    .join('; ')
}

/** A line a file: its rows, by class. */
export function dataLines(files: Manifest['data'], { sources, labels, rows }: PairExamples): string {
  const names = labels.paths.map(([name]) => name!)
  const counts = sources.map((_, source) => {
    const own = rows.filter((row) => row.source === source)
    return names.map((name, at) => `${own.filter(({ label }) => label === at).length} ${name}`).join(', ')
  })
  return files
    .map(
      ({ file, rows: all, sha256 }, at) =>
        `- ${file}: ${all} rows, ${counts[at] ?? ''} (SHA-256 ${sha256.slice(0, 16)}…)`,
    )
    .join('\n')
}

export const COMPLEMENT = `- Complement: see the counts by source above for where its examples came from. Files of this project's examples/ folder
  are hand-written for it; their style differs from shops' titles, so figures on them say little about a real shop's Complements.
`
