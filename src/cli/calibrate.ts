// `sluice calibrate`: labelled rows in; calibrated probabilities and thresholds that keep a promise out.
// The model folder is replaced whole at the end or not at all.
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileDigest } from '../adapters/files/rows.ts'
import { checkRoom, readModelFolder, writeModelFolder } from '../adapters/files/model-folder.ts'
import { openModel } from '../adapters/onnx/model.ts'
import { runtime } from '../adapters/onnx/runtime.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { SluiceError } from '../core/error.ts'
import { calibrate } from '../learn/calibrate/calibrate.ts'
import { METHODS } from '../learn/calibrate/calibrator.ts'
import { reliabilitySvg } from '../learn/calibrate/curve.ts'
import { calibrationFigures, calibrationSection, calibrationTable, withSection } from '../learn/calibrate/report.ts'
import { silent } from '../ports/events.ts'
import { numberOf, parse } from './command.ts'
import { modelOf, readLabelled } from './labelled.ts'
import type { Certified } from '../core/calibration/certificate.ts'
import type { Calibrated } from '../learn/calibrate/calibrate.ts'
import type { Method } from '../learn/calibrate/calibrator.ts'
import type { ModelFolder } from '../ports/manifest.ts'
import type { Labelled } from './labelled.ts'

const HELP = `usage: sluice calibrate (--task NAME | --model DIR) --data FILE [--data FILE …] [--target-precision 0.97]
                       [--delta 0.05] [--method temperature|isotonic|vector] [--out DIR] [--dry-run] [--json]

Finds the loosest thresholds at which answers are right, down to the deepest level, in at least the target share of
cases: with a chance of at most delta that they are not. The rows are labelled ones of the live tail that the model
was not trained on. Too few of them are refused, with the number that would do.

--method first fits the probabilities to one half of the rows and certifies on the other. Without it the probabilities
stay and all rows certify. Stacks and models that decide against the prior (pair, transformer of pairs) take isotonic,
which moves no decision. A method takes the place of what training calibrated with: titles that a model asked are asked
no more. Thresholds and certificate go into the model's manifest, figures into calibration.json, the
curve into reliability.svg. --out writes another folder instead of replacing the model's; --dry-run writes nothing.
`

const SHARE = { above: 0, below: 1 }

type Refused = Extract<Certified, { kind: 'refused' }>

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, {
    task: { type: 'string' },
    model: { type: 'string' },
    data: { type: 'string', multiple: true, default: [] },
    'target-precision': { type: 'string', default: '0.97' },
    delta: { type: 'string', default: '0.05' },
    method: { type: 'string' },
    out: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (values.data.length === 0) throw new SluiceError('SL104', 'calibrate needs --data FILE')
  const target = {
    precision: numberOf('target-precision', values['target-precision'], SHARE),
    delta: numberOf('delta', values.delta, SHARE),
  }
  const method = methodOf(values.method)
  const { dir, gate } = await modelOf('calibrate', values)
  const out = values.out ?? dir
  await checkRoom(out)
  const folder = await readModelFolder(dir)
  const view = progressView(values.json)
  const abort = new AbortController()
  const interrupt = () => abort.abort(new SluiceError('SL505', 'nothing was written'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    const { rows, files } = await readAll(values.data, folder)
    const done = await calibrate(
      { folder, rows, method, target, files },
      {
        runtime,
        open: (one) => openModel(one, { workers: 0, emit: silent, task: 'calibrate' }),
        signal: abort.signal,
        report: (what, at, total) => view.update(`scoring (${what})`, at, total, `${total} rows`),
      },
    )
    abort.signal.throwIfAborted()
    view.stop()
    const { certified } = done
    if (!values.json) process.stdout.write(calibrationTable(done))
    if (certified.kind === 'refused') throw new SluiceError('SL506', refused(certified, done))
    if (!values['dry-run']) await write(out, dir, done)
    if (values.json) process.stdout.write(`${JSON.stringify({ out, ...calibrationFigures(done) })}\n`)
    if (gate !== undefined)
      view.line(`task ${values.task} sets a gate of its own in task.yaml: remove it to use this one`)
    view.line(values['dry-run'] ? 'nothing was written' : `${out}: thresholds, certificate, reliability.svg`)
    return 0
  } finally {
    view.stop()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

function methodOf(text: string | undefined): Method | undefined {
  const found = METHODS.find((method) => method === text)
  if (text !== undefined && found === undefined)
    throw new SluiceError('SL104', `--method is one of ${METHODS.join(', ')}, not "${text}"`)
  return found
}

/** Throws SL502 where the model learned from one of the files: of rows that it has seen it is too sure. */
async function readAll(paths: readonly string[], { dir, manifest }: ModelFolder) {
  const rows: Labelled[] = []
  const files = []
  for (const path of paths) {
    const sha256 = await fileDigest(path)
    if (manifest.data.some((file) => file.sha256 === sha256))
      throw new SluiceError('SL502', `${path}: ${dir} was trained on this file; calibrate on rows that it never saw`)
    const own = await readLabelled([path], manifest)
    rows.push(...own)
    files.push({ file: basename(path), rows: own.length, sha256 })
  }
  return { rows, files }
}

function refused({ why, needed, passed }: Refused, { calibrator, fitRows }: Calibrated): string {
  if (needed === undefined && passed === 0 && calibrator === undefined)
    return `${why}; --method isotonic makes the probabilities fit first, and starts where enough rows pass`
  const share = fitRows > 0 ? ' beside the half that the fit takes' : ''
  return needed === undefined ? why : `${why}; about ${needed} labelled rows${share} are needed`
}

async function write(out: string, from: string, done: Calibrated): Promise<void> {
  const { folder, calibrator, before, after } = done
  const title = `${basename(from)}: ${before.hits[0]!.length} rows that fitted nothing`
  const card = await readFile(join(from, 'card.md'), 'utf8').catch(() => '# Model card\n')
  // The card links to the curve of the training, where there is one.
  const curve = await readFile(join(from, 'curve.svg'), 'utf8').catch(() => undefined)
  await writeModelFolder(out, {
    ...folder,
    files: {
      'calibration.json': `${JSON.stringify(calibrationFigures(done), undefined, 1)}\n`,
      ...(curve === undefined ? {} : { 'curve.svg': curve }),
      'card.md': withSection(card, calibrationSection(done)),
      'reliability.svg': reliabilitySvg({ title, before, after: calibrator && after }),
    },
  })
}
