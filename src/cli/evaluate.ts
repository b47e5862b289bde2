// `sluice evaluate`: how good a model is on labelled rows. Reads any file of the kind's shape and fits nothing to it.
import { readModelFolder } from '../adapters/files/model-folder.ts'
import { openModel } from '../adapters/onnx/model.ts'
import { SluiceError } from '../core/error.ts'
import { pathIndex, pathKey } from '../core/labels.ts'
import { measure } from '../core/metrics.ts'
import { silent } from '../ports/events.ts'
import { parse } from './command.ts'
import { modelOf, readLabelled } from './labelled.ts'
import type { Judged, Metrics } from '../core/metrics.ts'
import type { Model } from '../ports/model.ts'
import type { Labelled } from './labelled.ts'

const HELP = `usage: sluice evaluate (--task NAME | --model DIR) --data FILE [--data FILE …] [--json]

Measures a model on JSON lines (.jsonl or .jsonl.gz) of the shape it was trained on. --task takes the task's champion
and its gate from sluice.yaml. Prints accuracy per level (a deeper level counts only where the whole path is right),
macro-F1, precision and recall per class, top 3 and top 5, coverage and accuracy at the gate, calibration error, speed.
`

const SHORTLIST = 5
const BATCH_ROWS = 8192

export interface Evaluation extends Metrics {
  readonly itemsPerSecond: number
  /** Rows whose label the model does not know: they count as wrong. */
  readonly unknownLabels: number
}

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
    const evaluation = await evaluate(model, rows, gate ?? model.thresholds)
    process.stdout.write(values.json ? `${JSON.stringify(evaluation)}\n` : table(evaluation))
  } finally {
    await model.close()
  }
  return 0
}

/** Classifies every row and measures; the clock runs from text to answer, reading the file left out. */
async function evaluate(model: Model, rows: readonly Labelled[], thresholds: readonly number[]): Promise<Evaluation> {
  const known = pathIndex(model.labels)
  const judged: Judged[] = []
  let elapsed_ms = 0
  for (let from = 0; from < rows.length; from += BATCH_ROWS) {
    const batch = rows.slice(from, from + BATCH_ROWS)
    const start = performance.now()
    const predictions = await model.classify(
      batch.map(({ texts }) => texts),
      { shortlist: SHORTLIST },
    )
    elapsed_ms += performance.now() - start
    batch.forEach(({ label: gold }, row) => {
      const said = predictions[row]
      judged.push({
        gold,
        label: said?.label,
        probabilities: said?.probabilities ?? [],
        shortlist: said?.shortlist.map(({ label }) => label) ?? [],
      })
    })
  }
  return {
    ...measure(judged, model.labels.levels, thresholds),
    itemsPerSecond: Math.round(rows.length / (elapsed_ms / 1000)),
    unknownLabels: rows.filter(({ label }) => !known.has(pathKey(label))).length,
  }
}

function table(evaluation: Evaluation): string {
  const percent = (share: number) => `${(100 * share).toFixed(1).padStart(5)} %`
  const { accuracy, macroF1, top3, top5, coverage, selectiveAccuracy, ece, unknownLabels } = evaluation
  const lines: [string, string][] = [
    ...Object.entries(accuracy).map(([level, share]): [string, string] => [`accuracy ${level}`, percent(share)]),
    ['macro-F1', percent(macroF1)],
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
