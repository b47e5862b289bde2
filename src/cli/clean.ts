// `sluice clean`: labelled rows in, the same rows out with the labels that are surely wrong replaced or dropped, and a
// report of what changed and why. Every file appears whole at the end or not at all.
import { basename, join, resolve } from 'node:path'
import { readLines } from '../adapters/files/rows.ts'
import { checkWritable, writeLines } from '../adapters/files/whole.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { runtime } from '../adapters/onnx/runtime.ts'
import { CLEANING } from '../core/cleaning/settings.ts'
import { SluiceError } from '../core/error.ts'
import { clean } from '../learn/clean/clean.ts'
import { changesOf, countsOf } from '../learn/clean/report.ts'
import { cleanRows } from '../learn/clean/rows.ts'
import { cleaner } from '../learn/clean/settings.ts'
import { fatesOf, verdictsOf } from '../learn/clean/verdicts.ts'
import { cleanedLines } from './clean/rows.ts'
import { readReport, writeReport } from './clean/report.ts'
import { numberOf, parse } from './command.ts'
import { readRows } from './train-rows.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { Row } from '../learn/examples.ts'
import type { Fate } from '../learn/clean/verdicts.ts'

const HELP = `usage: sluice clean --data FILE [--data FILE …] --out FILE [--report DIR] [--folds K] [--rounds R]
                    [--thresholds T1/T2/…] [--seed N] [--json]
       sluice clean --data FILE [--data FILE …] --out FILE --report DIR --verdicts FILE

Judges the label of every row by models that saw neither the row nor its near-duplicates, and writes the rows with the
labels that are surely wrong replaced, or the row left out where the right label is not sure. Rows {"title", "brand"?,
"label", "source"?, "by"?}: what is "by": "human" is never changed. JSON lines, .gz where the name says so.

  --report DIR       what changed and why: changes.jsonl, report.md, and review.html to spot-check offline
  --folds K          parts that are judged in turn (default 5)
  --rounds R         a further round learns from the labels the round before cleaned (default 1)
  --thresholds T/…   how sure the model must be that not the old name but the new is right, l1 first; the last holds for
                     deeper levels (default ${CLEANING.wrongMin.join('/')})
  --verdicts FILE    what review.html gave: applies the changes in DIR as a person decided, without learning anew;
                     changes without a verdict stand. Judged rows are marked "by": "human"
`

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, {
    data: { type: 'string', multiple: true, default: [] },
    out: { type: 'string' },
    report: { type: 'string' },
    folds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    thresholds: { type: 'string' },
    verdicts: { type: 'string' },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const job = jobOf(values)
  await checkWritable(job.out)
  if (job.report !== undefined) await checkWritable(join(job.report, 'summary.json'))
  const started = performance.now()
  const view = progressView(values.json)
  const abort = new AbortController()
  const interrupt = () => abort.abort(new SluiceError('SL505', 'nothing was written'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    const figures = values.verdicts
      ? await applyVerdicts(job, values.verdicts, abort.signal)
      : await cleanAnew(job, `sluice clean ${args.join(' ')}`, view, abort.signal)
    const seconds = Math.round((performance.now() - started) / 100) / 10
    if (values.json) process.stdout.write(`${JSON.stringify({ out: job.out, seconds, ...figures })}\n`)
    view.line(`${job.out}: ${figures.replaced} labels replaced, ${figures.dropped} rows dropped, ${seconds} s`)
    if (job.report !== undefined && !values.verdicts)
      view.line(
        `what changed and why: ${join(job.report, 'report.md')}; to spot-check: ${join(job.report, 'review.html')}`,
      )
    return 0
  } finally {
    view.stop()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

interface Job {
  readonly data: readonly string[]
  readonly out: string
  readonly report: string | undefined
  readonly folds: number
  readonly rounds: number
  readonly seed: number
  readonly thresholds: readonly number[]
}

type Values = Readonly<Record<'out' | 'report' | 'thresholds' | 'verdicts', string | undefined>> &
  Readonly<Record<'folds' | 'rounds' | 'seed', string>> & { readonly data: readonly string[] }

/** Throws SL104 where the options make no sense. */
function jobOf(values: Partial<Values> & Pick<Values, 'data' | 'folds' | 'rounds' | 'seed'>): Job {
  const { data, out, report, thresholds } = values
  const wrong = (what: string) => new SluiceError('SL104', what)
  if (data.length === 0) throw wrong('clean needs --data FILE')
  if (out === undefined) throw wrong('clean needs --out FILE')
  if (data.some((file) => resolve(file) === resolve(out))) throw wrong(`--out ${out} is one of the files to be cleaned`)
  if (new Set(data.map((file) => basename(file))).size < data.length)
    throw wrong('two files of --data have one name: the report could not tell their rows apart')
  if (values.verdicts !== undefined && report === undefined)
    throw wrong('--verdicts needs --report DIR: the folder of the run they judge')
  const sure = thresholds?.split('/').map(Number) ?? CLEANING.wrongMin
  if (!sure.every((one) => one >= 0.5 && one <= 1))
    throw wrong(`--thresholds are numbers from .5 to 1 with / between them, not "${thresholds}"`)
  return {
    data,
    out,
    report,
    folds: numberOf('folds', values.folds, { whole: true, from: 2 }),
    rounds: numberOf('rounds', values.rounds, { whole: true, from: 1 }),
    seed: numberOf('seed', values.seed, { whole: true }),
    thresholds: sure,
  }
}

interface Figures {
  readonly replaced: number
  readonly dropped: number
}

async function cleanAnew(job: Job, command: string, view: ProgressView, signal: AbortSignal): Promise<Figures> {
  const { rows, files } = await readRows(job.data, signal)
  const data = await cleanRows(rows)
  for (const warning of data.warnings) view.line(`warning: ${warning}`)
  view.line(`${data.examples.length} rows, ${data.labels.paths.length} labels: judged in ${job.folds} folds`)
  const cleaning = { ...CLEANING, wrongMin: job.thresholds }
  const cleaned = await clean(
    data,
    { ...job, lexical: cleaner(data.examples.length, data.labels.paths.length), cleaning },
    {
      runtime,
      signal,
      report: ({ round, done, total, loss }) =>
        view.update('judging', done, total, `round ${round + 1}, loss ${loss.toFixed(3)}`),
    },
  )
  const changes = changesOf(data, cleaned)
  const counts = countsOf(data, cleaned)
  const { folds, rounds, seed } = job
  await writeOut(job, fatesOf(changes), files, signal)
  const summary = { command, data: files, folds, rounds, seed, cleaning, ...counts, warnings: data.warnings }
  if (job.report !== undefined) await writeReport(job.report, data, changes, summary)
  return summary
}

async function applyVerdicts(job: Job, file: string, signal: AbortSignal): Promise<Figures> {
  const { changes, files } = await readReport(job.report!)
  const lines: Row[] = []
  for await (const { number, value } of readLines(file)) lines.push({ file, line: number, value })
  const verdicts = verdictsOf(lines, changes)
  await writeOut(job, fatesOf(changes, verdicts), files, signal)
  const accepted = [...verdicts.values()].filter(Boolean).length
  const stands = changes.filter(({ row }) => verdicts.get(row) !== false)
  const of = (action: string) => stands.filter((change) => change.action === action).length
  const judged = { accepted, rejected: verdicts.size - accepted, open: changes.length - verdicts.size }
  return { replaced: of('replace'), dropped: of('drop'), ...judged }
}

/** Throws SL502 where the files are not those that were judged. */
async function writeOut(
  job: Job,
  fates: ReadonlyMap<string, Fate>,
  judged: readonly { readonly file: string; readonly sha256: string }[],
  signal: AbortSignal,
): Promise<void> {
  const { rows, files } = await readRows(job.data, signal)
  for (const { file, sha256 } of files)
    if (!judged.some((one) => one.file === file && one.sha256 === sha256))
      throw new SluiceError('SL502', `${file} is not the file that was judged: clean it anew`)
  await writeLines(job.out, cleanedLines(rows, fates))
}
