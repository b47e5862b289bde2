// How `sluice train` makes an encoder model: wires learn/encoder to a pulled encoder and to what people see.
import { readEncoder } from '../adapters/files/encoder-store.ts'
import { NORMALISER_VERSION } from '../core/text/normalise.ts'
import { withGolden } from '../adapters/onnx/golden.ts'
import { runtime } from '../adapters/onnx/runtime.ts'
import { curveSvg } from '../learn/curve.ts'
import { encoderCard } from '../learn/encoder/card.ts'
import { trainEncoder } from '../learn/encoder/train.ts'
import { taxonomyExamples } from '../learn/examples.ts'
import { percent } from '../learn/percent.ts'
import { ENCODER_OPTION, encodeAll } from './encoder-vectors.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { CurvePoint } from '../learn/curve.ts'
import type { HeadProgress } from '../learn/encoder/train.ts'
import type { TrainJob, Trained } from './train.ts'

export const options = ENCODER_OPTION

export async function train(job: TrainJob): Promise<Trained> {
  const data = await taxonomyExamples(job.rows, job.task)
  for (const warning of data.warnings) job.view.line(`warning: ${warning}`)
  const files = await readEncoder(job.options['encoder']!)
  const { vectors, perSecond } = await encodeAll(files, data, job)
  const { settings } = files
  const curve: CurvePoint[] = []
  const report = (progress: HeadProgress) => {
    showHead(progress, job.view)
    const { kind, phase, at, loss, accuracy } = progress
    if (kind === 'epoch' && accuracy !== undefined && phase.includes('hidden'))
      curve.push({ at, loss, accuracy: [accuracy] })
  }
  const trained = await trainEncoder(data, vectors, settings.dims, job.seed, { runtime, signal: job.signal, report })
  const { mlp, linear, better, limit } = trained
  const { judgement, temperatures, epochs, trainingAccuracy } = trained[better]
  const { thresholds, promise } = judgement
  const folder = {
    manifest: {
      format: 1 as const,
      kind: 'encoder' as const,
      segments: data.segments,
      normaliser: NORMALISER_VERSION,
      features: { version: 1 },
      encoder: settings,
      temperatures,
      thresholds,
      certificate: judgement.certificate && { ...judgement.certificate, data: job.files },
      data: job.files,
    },
    model: trained.model,
    parts: { 'encoder.onnx': files.graph, 'tokenizer.json': files.tokenizer },
    labelPaths: data.labels.paths,
  }
  const calibration = {
    temperatures,
    thresholds,
    head: better,
    epochs,
    validation: judgement,
    heads: { mlp: mlp.judgement, linear: linear.judgement },
    trainingAccuracy,
    limit,
    titlesPerSecond: Math.round(perSecond),
  }
  return {
    folder: {
      ...(await withGolden(folder)),
      files: {
        'calibration.json': `${JSON.stringify(calibration, undefined, 1)}\n`,
        'curve.svg': curveSvg(curve, mlp.epochs, { unit: 'epoch', loss: 'training loss' }),
        'card.md': encoderCard(data, trained, settings, perSecond, job),
      },
    },
    figures: { rows: data.examples.length, curve, ...calibration, warnings: data.warnings },
    summary: [
      ...(['mlp', 'linear'] as const).map((head) => {
        const { accuracy, top3, top5 } = trained[head].judgement
        const levels = accuracy.map((share, level) => `l${level + 1} ${percent(share)}`).join('  ')
        return `${head === 'mlp' ? 'hidden layer' : 'linear head '}: ${levels}  top 3 ${percent(top3)}  top 5 ${percent(top5)}`
      }),
      promise,
      `the limit is ${limit}`,
      `${settings.name}: ${Math.round(perSecond)} titles/s on all cores`,
    ],
  }
}

export function showHead({ kind, phase, at, of, loss, accuracy }: HeadProgress, view: ProgressView): void {
  if (kind === 'step') return view.update(phase, at, of, `loss ${loss.toFixed(3)}`)
  const right = accuracy === undefined ? '' : `  whole path ${percent(accuracy)}`
  view.line(`${phase}: epoch ${at}/${of}  loss ${loss.toFixed(3)}${right}`)
}
