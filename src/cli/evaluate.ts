// `sluice evaluate`: how good a model is on labelled rows. Reads any file of the kind's shape and fits nothing to it.
import { readModelFolder } from '../adapters/files/model-folder.ts'
import { openModel } from '../adapters/onnx/model.ts'
import { SluiceError } from '../core/error.ts'
import { pathIndex, pathKey } from '../core/labels.ts'
import { measure } from '../core/metrics.ts'
import { silent } from '../ports/events.ts'
import { parse } from './command.ts'
import { modelOf, readLabelled } from './labelled.ts'
import type { Ranked } from '../core/answer.ts'
import type { LabelPath } from '../core/labels.ts'
import type { Judged, Metrics } from '../core/metrics.ts'
import type { Model, Prediction } from '../ports/model.ts'
import type { Labelled } from './labelled.ts'

const HELP = `usage: sluice evaluate (--task NAME | --model DIR) --data FILE [--data FILE …] [--json]

Measures a model on JSON lines (.jsonl or .jsonl.gz) of the shape it was trained on. --task takes the task's champion
and its gate from sluice.yaml. Prints accuracy per level (a deeper level counts only where the whole path is right),
macro-F1, precision and recall per class, top 3 and top 5, coverage and accuracy at the gate, calibration error, speed.

A model whose manifest has offsets decides against the prior, so that rare classes are answered too: that is its answer
and what every figure is of. Beside it stand accuracy and macro-F1 of both decisions, "plain" (the most probable class)
and "adjusted"; with --json as blocks of these names, with figures per class.
`

const SHORTLIST = 5
const BATCH_ROWS = 8192

export interface Evaluation extends Metrics {
  readonly itemsPerSecond: number
  /** Rows whose label the model does not know: they count as wrong. */
  readonly unknownLabels: number
  /** Where the model decides against the prior: the most probable path, and the answer (the fields above are of it). */
  readonly plain?: Decision
  readonly adjusted?: Decision
}

type Decision = Pick<Metrics, 'accuracy' | 'macroF1' | 'perClass'>

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, {
    task: { type: 'string' },
    model: { type: 'string' },
    data: { type: 'string', multiple: true, default: [] },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (values.data.length === 0) throw new SluiceError('SL104', 'evaluate needs --data FILE')
  const { dir, gate } = await modelOf('evaluate', values)
  const folder = await readModelFolder(dir)
  const rows = await readLabelled(values.data, folder.manifest)
  const model = await openModel(folder, { workers: 0, emit: silent, task: 'evaluate' })
  try {
    const evaluation = await evaluate(model, rows, gate ?? model.thresholds, folder.manifest.offsets !== undefined)
    process.stdout.write(values.json ? `${JSON.stringify(evaluation)}\n` : table(evaluation))
  } finally {
    await model.close()
  }
  return 0
}

/** Classifies every row and measures; the clock runs from text to answer, reading the file left out. */
async function evaluate(
  model: Model,
  rows: readonly Labelled[],
  thresholds: readonly number[],
  adjusts: boolean,
): Promise<Evaluation> {
  const shortlist = adjusts ? Math.max(SHORTLIST, model.labels.paths.length) : SHORTLIST
  const known = pathIndex(model.labels)
  const judged: Judged[] = []
  const plain: Judged[] = []
  let elapsed_ms = 0
  for (let from = 0; from < rows.length; from += BATCH_ROWS) {
    const batch = rows.slice(from, from + BATCH_ROWS)
    const start = performance.now()
    const predictions = await model.classify(
      batch.map(({ texts }) => texts),
      { shortlist },
    )
    elapsed_ms += performance.now() - start
    batch.forEach(({ label: gold }, row) => {
      const said = predictions[row]
      const one: Judged = {
        gold,
        label: said?.label,
        probabilities: said?.probabilities ?? [],
        shortlist: said?.shortlist.map(({ label }) => label) ?? [],
      }
      judged.push(one)
      if (adjusts) plain.push({ ...one, label: mostProbable(said) })
    })
  }
  const { levels } = model.labels
  const metrics = measure(judged, levels, thresholds)
  return {
    ...metrics,
    ...(adjusts && { plain: decision(measure(plain, levels, thresholds)), adjusted: decision(metrics) }),
    itemsPerSecond: Math.round(rows.length / (elapsed_ms / 1000)),
    unknownLabels: rows.filter(({ label }) => !known.has(pathKey(label))).length,
  }
}

function mostProbable(said: Prediction | undefined): LabelPath | undefined {
  const by = (a: Ranked, b: Ranked) => (b.probability > a.probability ? b : a)
  return said?.shortlist.reduce(by).label
}

const decision = ({ accuracy, macroF1, perClass }: Metrics): Decision => ({ accuracy, macroF1, perClass })

function table(evaluation: Evaluation): string {
  const percent = (share: number) => `${(100 * share).toFixed(1).padStart(5)} %`
  const { accuracy, macroF1, top3, top5, coverage, selectiveAccuracy, ece, unknownLabels, plain } = evaluation
  const lines: [string, string][] = [
    ...Object.entries(accuracy).map(([level, share]): [string, string] => [`accuracy ${level}`, percent(share)]),
    ['macro-F1', percent(macroF1)],
    ...(plain === undefined
      ? []
      : ([
          ['most probable: accuracy', percent(plain.accuracy['l1']!)],
          ['most probable: macro-F1', percent(plain.macroF1)],
        ] as [string, string][])),
    ['gold in the top 3', percent(top3)],
    ['gold in the top 5', percent(top5)],
    ['coverage at the gate', percent(coverage)],
    ['accuracy of the covered', percent(selectiveAccuracy)],
    ['calibration error', ece.toFixed(3)],
    ['items a second', String(evaluation.itemsPerSecond)],
  ]
  const head = `${evaluation.items} rows${unknownLabels > 0 ? `, ${unknownLabels} with a label the model does not know (wrong)` : ''}`
  const body = lines.map(([name, value]) => `  ${name.padEnd(26)}${value}`)
  const classes = Object.entries(evaluation.perClass).sort((a, b) => b[1].support - a[1].support)
  const shown = classes
    .slice(0, CLASSES_SHOWN)
    .map(
      ([name, { precision, recall, f1, support }]) =>
        `  ${name.slice(0, 50).padEnd(52)}${percent(precision)} ${percent(recall)} ${percent(f1)} ${String(support).padStart(7)}`,
    )
  const title = `  ${`class (the ${shown.length} largest of ${classes.length}; --json has all)`.padEnd(52)} precis.  recall      F1    rows`
  return `${[head, ...body, '', title, ...shown].join('\n')}\n`
}

const CLASSES_SHOWN = 12
