// The card of a fine-tuned transformer: what it stands on, what it was trained on, how good it is and by which command,
// what it cannot do. Says counts and figures only, never a row.
import { uncertifiedText } from '../../core/calibration/propose.ts'
import { pathKey } from '../../core/labels.ts'
import { gradedText } from '../pair/grades.ts'
import { figuresTable, sourceLines } from '../pair/table.ts'
import { percent } from '../percent.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Figures } from '../pair/calibrate.ts'
import type { TransformerExamples } from './examples.ts'
import type { Judged } from './judge.ts'
import type { TransformerSettings } from './settings.ts'

export interface TransformerRun {
  readonly encoder: string
  readonly settings: TransformerSettings
  readonly training: number
  readonly validation: number
  readonly epochs: number
  readonly steps: number
  readonly temperature: number
  readonly files: Manifest['data']
  readonly bytes: number
  readonly command: string
}

export function transformerCard(data: TransformerExamples, judged: Judged, run: TransformerRun): string {
  const { settings } = run
  const names = data.labels.paths.map(pathKey)
  const table = (title: string, of: (at: number) => Figures | undefined) => {
    const lines = sourceLines(data.sources, of)
    return lines.length === 0 ? '' : `${figuresTable(title, data.pair ? names : [], lines)}\n`
  }
  return `# Model card
Kind \`imported\`: the encoder \`${run.encoder}\`, fine-tuned here ${settings.rank > 0 ? `by adapters of rank ${settings.rank}` : 'end to end'}: ${data.pair ? 'query and title (brand first) as a pair' : data.segments.join(' and ')} → tokens,
${settings.tokensMax} at most → mean of the last layer → linear → softmax. ${(run.bytes / 1e6).toFixed(1)} MB, weights in a byte each.

## Data
${run.files.map(({ file, rows, sha256 }) => `- ${file}: ${rows} rows (SHA-256 ${sha256.slice(0, 16)}…)`).join('\n')}

Trained on ${run.training} rows, ${run.epochs} epochs kept, ${run.steps} steps of ${settings.batchRows} (AdamW, learning rate ${settings.learningRate}, ${percent(settings.warmup)}
warm-up, linear decay, gradients clipped at ${settings.normMax}), ${settings.threads} threads${gradedText(data.rows)}.
${data.warnings.map((warning) => `- ${warning}`).join('\n')}

## Figures
On ${run.validation} rows whose ${data.pair ? 'query' : 'title'} was not trained on (a tenth, by hash), answered by the exported graph; the epoch was chosen on them${data.pair ? ', the offsets on the other half' : ''}.
${data.pair ? '' : `Accuracy by level: ${judged.accuracy.map((share, level) => `l${level + 1} ${percent(share)}`).join(', ')}.\n`}
${table('most probable class', (at) => judged.bySource[at]?.plain)}
${table('adjusted to the prior', (at) => judged.bySource[at]?.decided)}
Temperature ${run.temperature.toFixed(3)}. Gate: ${uncertifiedText(judged.thresholds)}.
All of it is printed by

    ${run.command}

## Limits
- Reads the first ${settings.tokensMax} tokens${data.pair ? ', no description' : ''}; what the encoder never read in its language, it cannot tell.
- A forward pass costs a thousand times a lexical answer: meant for pairs, or for what cheaper tiers are not sure of.
`
}
