// The card of a pair stack: its parts, what each is worth, what asking costs and brings, and by which command.
// Says counts and figures only, never a row.
import { uncertifiedText } from '../../core/calibration/propose.ts'
import { pathKey } from '../../core/labels.ts'
import { COMPLEMENT, dataLines, offsetsText } from '../pair/card.ts'
import { gradedText } from '../pair/grades.ts'
import { figuresTable, sourceLines } from '../pair/table.ts'
import { percent } from '../percent.ts'
import { stackTable } from '../stack/card.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Figures } from '../pair/calibrate.ts'
import type { PairExamples } from '../pair/examples.ts'
import type { Judged } from '../transformer/judge.ts'
import type { TransformerSettings } from '../transformer/settings.ts'
import type { PairStackTraining } from './train.ts'

export interface PairStackRun {
  readonly encoder: string
  readonly settings: TransformerSettings
  readonly files: Manifest['data']
  /** Of pair.onnx with its lexicon, and of model.onnx. */
  readonly bytes: readonly [number, number]
  readonly command: string
}

/** What each point of asking costs (on all cores, in batches) and brings. */
export function pairStackTable(training: PairStackTraining): string[] {
  return stackTable(training, training.transformer.perSecond, { cheap: 'pair', items: 'pairs', whole: 'class' })
}

export function pairStackCard(data: PairExamples, training: PairStackTraining, run: PairStackRun): string {
  const { transformer, weights, chosen, alone, served } = training
  const { settings, bytes } = run
  const names = data.labels.paths.map(pathKey)
  const table = (title: string, judged: Judged, of: (found: Judged['bySource'][number]) => Figures | undefined) =>
    figuresTable(
      title,
      names,
      sourceLines(data.sources, (at) => of(judged.bySource[at]!)),
    )
  return `# Model card
Kind \`pair-stack\`: a pair model (features, boosted trees; ${megabytes(bytes[0])}) answers first. Where it gives its likeliest class less than
${chosen.ask}, the encoder \`${run.encoder}\`, fine-tuned here end to end, reads query and title (brand first) as a pair (${megabytes(bytes[1])}), and
both are joined: P(class) ∝ Π p(expert)^weight, pair ${weights[0].toFixed(2)}, transformer ${weights[1].toFixed(2)}. All parts lie in the folder: it needs nothing else.

## Data
${dataLines(run.files, data)}
${data.warnings.map((warning) => `- ${warning}`).join('\n')}
The transformer learned from ${transformer.split.training.length} rows: ${transformer.epochs} epochs kept, ${transformer.steps} steps of ${settings.batchRows} (AdamW, learning rate ${settings.learningRate},
classifier ${settings.classifierPace} times as far, ${settings.tokensMax} tokens at most)${gradedText(data.rows)}. The pair model learned from all rows; here it is judged by fits without the row's query.

## Figures
On ${transformer.split.validation.length} rows whose query neither expert saw (a tenth, by hash): the weights, the point of asking and the epoch were chosen on
them, a handful of numbers; the offsets of the adjusted figures on the other half of them, or on all rows out of fold. Class columns: precision / recall (rows).

${table('most probable class', served, ({ plain }) => plain)}

${table('adjusted to the prior', served, ({ decided }) => decided)}

Each expert alone, most probable class:

${table('pair', alone.pair, ({ plain }) => plain)}

${table('transformer', alone.transformer, ({ plain }) => plain)}

Offsets added to log probabilities, a set a source, weighed by how much the pair's style speaks of it (of a source with few
rows here, those of the pair model alone): ${offsetsText(data, training.pair.files, training.offsets)}. Gate: ${uncertifiedText(served.thresholds)}.

What each point of asking costs (speed: of the transformer when it was trained, all cores, divided by the share asked) and brings:

${pairStackTable(training)
  .map((line) => `    ${line}`)
  .join('\n')}

All of it is printed by

    ${run.command}

## Limits
- Asks the transformer about ${percent(chosen.asked)} of such pairs: a few milliseconds each.
- Reads the first ${settings.tokensMax} tokens of query and title, no description; what the encoder never read in its language, it cannot tell.
- Sources mean slightly different things by the same class. Probabilities are calibrated, decisions are not their arg-max.
${names.includes('complement') ? COMPLEMENT : ''}`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
