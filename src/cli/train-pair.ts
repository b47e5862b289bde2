// How `sluice train` makes a pair model: wires learn/pair to the runtime and to what people see.
import { setImmediate } from 'node:timers/promises'
import { runtime } from '../adapters/onnx/runtime.ts'
import { uncertifiedText } from '../core/calibration/propose.ts'
import { PAIR_SEGMENTS, PAIR_VERSION } from '../core/pair/encode.ts'
import { packLexicon } from '../core/pair/lexicon.ts'
import { NORMALISER_VERSION } from '../core/text/normalise.ts'
import { pairCard } from '../learn/pair/card.ts'
import { offsetsByName } from '../learn/pair/decisions.ts'
import { relevanceExamples } from '../learn/pair/examples.ts'
import { goldenPairs } from '../learn/pair/golden.ts'
import { trainPairs } from '../learn/pair/train.ts'
import type { Progress } from '../learn/pair/fit.ts'
import type { TrainJob, Trained } from './train.ts'

export async function train({ rows, task, files, seed, signal, view, command }: TrainJob): Promise<Trained> {
  const data = relevanceExamples(await Array.fromAsync(rows), task?.labels)
  for (const warning of data.warnings) view.line(`warning: ${warning}`)
  const training = await trainPairs(data.rows, data.labels.paths.length, seed, showPairs({ view, signal }))
  const { temperatures, offsets, threshold, lexicon, bySource, ece, rounds } = training
  const model = runtime.serialise(training.graph(offsets))
  const packed = packLexicon(lexicon)
  const compiled = await runtime.compile(model, { threads: 1 })
  const golden = await goldenPairs(compiled, lexicon).finally(() => compiled.close())
  const named = Object.fromEntries(bySource.map((figures, at) => [data.sources[at]!, figures]))
  const calibration = {
    temperatures,
    offsets: offsetsByName(data.sources, training.files, offsets),
    threshold,
    ece,
    rounds,
    outOfFold: named,
  }
  return {
    folder: {
      manifest: {
        format: 1,
        kind: 'pair',
        segments: PAIR_SEGMENTS,
        normaliser: NORMALISER_VERSION,
        features: { version: PAIR_VERSION },
        // One a source, of which the largest file's stands for the level.
        temperatures: temperatures.slice(0, 1),
        thresholds: [threshold],
        offsets,
        data: files,
        golden,
      },
      model,
      parts: { 'lexicon.bin': packed },
      labelPaths: data.labels.paths,
      files: {
        'calibration.json': `${JSON.stringify(calibration, undefined, 1)}\n`,
        'card.md': pairCard(data, training, { files, command, bytes: model.length + packed.length }),
      },
    },
    figures: { rows: data.rows.length, ...calibration, warnings: data.warnings },
    summary: [
      ...Object.entries(named).map(
        ([source, { decided, plain }]) =>
          `${source}, out of fold: accuracy ${(100 * decided.accuracy).toFixed(1)} %, macro-F1 ${decided.macroF1.toFixed(3)} (most probable class: ${(100 * plain.accuracy).toFixed(1)} %, ${plain.macroF1.toFixed(3)})`,
      ),
      uncertifiedText([threshold]),
    ],
  }
}

/** How the training of a pair model is shown, and interrupted. */
export function showPairs({ view, signal }: Pick<TrainJob, 'view' | 'signal'>): Progress {
  let phase = ''
  return async (step, done, total, note) => {
    if (step !== phase) view.line(step)
    phase = step
    view.update(step, done, total, note)
    await setImmediate()
    signal.throwIfAborted()
  }
}
