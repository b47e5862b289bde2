// How `sluice train` makes a lexical model: wires learn/ to the runtime and to what people see.
import { thresholdsText } from '../core/calibration/propose.ts'
import { NORMALISER_VERSION } from '../core/text/normalise.ts'
import { FEATURES_VERSION } from '../core/lexical/features.ts'
import { runtime } from '../adapters/onnx/runtime.ts'
import { taxonomyExamples } from '../learn/examples.ts'
import { curveSvg } from '../learn/curve.ts'
import { lexicalCard } from '../learn/lexical/card.ts'
import { percent } from '../learn/percent.ts'
import { LEXICAL, withFolds } from '../learn/lexical/settings.ts'
import { trainLexical } from '../learn/lexical/train.ts'
import { numberOf } from './command.ts'
import type { LexicalSettings } from '../learn/lexical/settings.ts'
import type { Progress } from '../learn/lexical/train.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { CurvePoint } from '../learn/curve.ts'
import type { TrainJob, Trained } from './train.ts'

export const FOLDS_OPTION = {
  folds: {
    value: 'N',
    says: `judges 1 to ${LEXICAL.foldsMax} parts of the rows, a fifth each, by fits without them (default: as many as hold ${LEXICAL.validationRows} rows): more rows certify looser thresholds, more fits take longer`,
  },
} as const

export const options = FOLDS_OPTION

/** Throws SL104 where `--folds` is no whole number from 1 to `foldsMax`. */
export function lexicalSettings({ folds }: TrainJob['options']): LexicalSettings {
  return folds === undefined
    ? LEXICAL
    : withFolds(LEXICAL, numberOf('folds', folds, { whole: true, from: 1, to: LEXICAL.foldsMax }))
}

export async function train(job: TrainJob): Promise<Trained> {
  const settings = lexicalSettings(job.options)
  const data = await taxonomyExamples(job.rows, job.task)
  for (const warning of data.warnings) job.view.line(`warning: ${warning}`)
  const curve: CurvePoint[] = []
  let again = false
  const report = (progress: Progress) => {
    show(progress, job.view)
    if (progress.kind === 'epoch' && !again)
      curve.push({ at: progress.epoch, loss: progress.loss, accuracy: progress.accuracy })
    if (progress.kind === 'again') again = true
  }
  const trained = await trainLexical(data, settings, job.seed, { runtime, signal: job.signal, report })
  const { validation, temperatures, thresholds, certificate, promise, epochs } = trained
  const figures = { rows: data.examples.length, epochs, curve, temperatures, thresholds, promise, validation }
  return {
    folder: {
      manifest: {
        format: 1,
        kind: 'lexical',
        segments: data.segments,
        normaliser: NORMALISER_VERSION,
        features: { version: FEATURES_VERSION, ...trained.features },
        temperatures,
        thresholds,
        certificate: certificate && { ...certificate, data: job.files },
        calibration: trained.calibration,
        data: job.files,
        golden: trained.golden,
      },
      model: trained.model,
      parts: trained.parts,
      labelPaths: data.labels.paths,
      files: {
        'calibration.json': `${JSON.stringify({ temperatures, thresholds, promise, validation }, undefined, 1)}\n`,
        'curve.svg': curveSvg(curve, epochs, { unit: 'epoch', loss: 'training loss' }),
        'card.md': lexicalCard(data, trained, job),
      },
    },
    figures: { ...figures, warnings: data.warnings },
    summary: [
      `validation (${validation.rows} rows never seen): ${validation.servedAccuracy.map((share, level) => `l${level + 1} ${percent(share)}`).join('  ')}`,
      `rounding to eight bits costs, in points: ${points(validation.accuracy, validation.servedAccuracy)}`,
      `at the proposed thresholds ${thresholdsText(thresholds)}: ${percent(validation.coverage)} answered, ${percent(validation.selectiveAccuracy)} of them right`,
      promise,
    ],
  }
}

/** What one way of serving loses against another, per level; below nothing where it gains. */
const points = (whole: readonly number[], less: readonly number[]): string =>
  whole.map((share, level) => `l${level + 1} ${(100 * (share - less[level]!)).toFixed(2)}`).join('  ')

export function show(progress: Progress, view: ProgressView): void {
  if (progress.kind === 'step') {
    view.update('fits', progress.step, progress.steps, `loss ${progress.loss.toFixed(3)}`)
  } else if (progress.kind === 'again') {
    view.line(`the rows held out were better answered after ${progress.epochs} epochs: all fits again, for so many`)
  } else {
    const { epoch, epochs, loss, accuracy } = progress
    const right = accuracy.map((share, level) => `  l${level + 1} ${percent(share)}`).join('')
    view.line(`epoch ${epoch}/${epochs}  loss ${loss.toFixed(3)}${right}`)
  }
}
