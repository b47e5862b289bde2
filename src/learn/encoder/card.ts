// The card of an encoder model: which encoder, what the heads learned, how good they are and by which command.
// Says counts and figures only, never a row.
import { thresholdsText } from '../../core/calibration/propose.ts'
import { percent } from '../percent.ts'
import type { EncoderSettings } from '../../ports/encoder.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Examples } from '../examples.ts'
import type { Judgement } from '../judge.ts'
import type { TrainedEncoder } from './train.ts'

interface CardJob {
  readonly files: Manifest['data']
  readonly command: string
}

export function encoderCard(
  data: Examples,
  { mlp, linear, better, limit, model }: TrainedEncoder,
  encoder: EncoderSettings,
  perSecond: number,
  job: CardJob,
): string {
  const head = better === 'mlp' ? mlp : linear
  const layers =
    better === 'mlp' ? 'Linear, ReLU, Dropout 0.2, Linear' : 'one Linear, which did better than a hidden layer'
  return `# Model card
Kind \`encoder\`: ${describe(encoder)}, frozen; a head per level (${layers}) folded into one softmax over existing
paths. The head is ${(model.length / 1e6).toFixed(1)} MB; encoder.onnx and tokenizer.json lie beside it, so the folder needs nothing else.
Reads: ${data.segments.join(', ')}, normalised, as one text.

${dataSection(data, job)}
## Figures
Trained first without a validation part: ${head.judgement.rows} rows, chosen by a hash of the title so that equal titles never stand on
both sides. That fit chose the number of epochs (${head.epochs}), the temperatures and the thresholds (${thresholdsText(head.judgement.thresholds)}), and gave
these figures; this model is a second fit, with the same settings, on all rows.

| head | accuracy | top 3 | top 5 | answered at the thresholds | right of those | ECE |
|---|---|---|---|---|---|---|
${figuresRow('hidden layer', mlp.judgement)}
${figuresRow('linear', linear.judgement)}

The thresholds are ${head.judgement.promise}.
On the rows it was trained on it is right for ${percent(head.trainingAccuracy)}. The limit is ${limit}.
Speed when it was trained, all cores: ${Math.round(perSecond)} titles a second. All figures are printed by

    ${job.command}

## Limits
- The encoder is frozen: what its vectors do not tell apart, no head can.
- Thresholds and temperatures were chosen on the validation rows that these figures count: they are a little too good.
`
}

export function describe({ name, dims, pooling, prefix, tokensMax }: EncoderSettings): string {
  const before = prefix === '' ? '' : `, "${prefix}" before each text`
  return `the encoder ${name} (${dims} numbers, ${pooling} over at most ${tokensMax} tokens, length one${before})`
}

export function dataSection(data: Examples, { files }: CardJob): string {
  return `## Data
${files.map(({ file, rows, sha256 }) => `- ${file}: ${rows} rows (SHA-256 ${sha256.slice(0, 16)}…)`).join('\n')}

${data.examples.length} rows used; ${data.labels.paths.length} labels in ${data.labels.levels} levels.
${data.warnings.map((warning) => `- ${warning}\n`).join('')}`
}

export function figuresRow(
  name: string,
  { accuracy, top3, top5, coverage, selectiveAccuracy, ece }: Judgement,
): string {
  const levels = accuracy.map((share, level) => `l${level + 1} ${percent(share)}`).join(', ')
  return `| ${name} | ${levels} | ${percent(top3)} | ${percent(top5)} | ${percent(coverage)} | ${percent(selectiveAccuracy)} | ${ece.toFixed(3)} |`
}
