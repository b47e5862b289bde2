// Calibration of a model folder on labelled rows: fit on one half where a method is asked for, certify on rows that the
// fit never saw, and judge the very model that would be served. No I/O: a folder and rows come in, a folder goes out.
import { certify, thresholdGrid } from '../../core/calibration/certificate.ts'
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { labelSet, pathIndex, pathKey } from '../../core/labels.ts'
import { SluiceError } from '../../core/error.ts'
import { hash32 } from '../../core/random.ts'
import { fitCalibrator, scaled } from './calibrator.ts'
import { jointRows, scoreRows } from './score.ts'
import { withTail, withoutTail } from './tail.ts'
import type { Certified, Target } from '../../core/calibration/certificate.ts'
import type { JointRows } from '../../core/calibration/scaling.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphRuntime, GraphSpec } from '../../ports/graph.ts'
import type { Manifest, ModelFolder } from '../../ports/manifest.ts'
import type { Model } from '../../ports/model.ts'
import type { Calibrator, Method } from './calibrator.ts'
import type { LabelledRow, Scored } from './score.ts'

export interface CalibrateJob {
  readonly folder: ModelFolder
  readonly rows: readonly LabelledRow[]
  /** Undefined: the probabilities stay as they are, and all rows certify. */
  readonly method: Method | undefined
  readonly target: Target
  /** The files that the rows come from. */
  readonly files: Manifest['data']
}

export interface CalibrateTools {
  readonly runtime: Pick<GraphRuntime, 'read' | 'serialise'>
  readonly open: (folder: ModelFolder) => Promise<Model>
  readonly signal: AbortSignal
  readonly report: (what: string, done: number, total: number) => void
}

export interface Calibrated {
  /** What would be served; its thresholds and certificate are new where `certified` is a certificate. */
  readonly folder: ModelFolder
  readonly calibrator: Calibrator | undefined
  readonly certified: Certified
  readonly fitRows: number
  /** Of the rows that certify: as the folder said it before, and as it would be served. */
  readonly before: Scored
  readonly after: Scored
  /** Rows whose label the model does not know: they count as wrong. */
  readonly unknownLabels: number
}

/** A half of the rows, chosen by their first text, so that equal texts never stand on both sides. */
const SPLIT_SEED = 0x5ca1e
const FIT_SHARE = 0.5
/** More rows than this change no calibrator, but cost time and memory: joint distributions are wide. */
const FIT_VALUES_MAX = 8_000_000
const FIT_ROWS_MIN = 50

/** Throws SL104 where the method does not suit the model, SL502 where the rows cannot be used, SL501 where the model is damaged. */
export async function calibrate(job: CalibrateJob, tools: CalibrateTools): Promise<Calibrated> {
  const { folder, rows, method, target } = job
  if (method !== undefined && method !== 'isotonic' && keepsDecisions(folder.manifest))
    throw new SluiceError('SL104', `--method ${method} would move the decisions of a model of this kind: use isotonic`)
  const labels = labelSet(folder.labelPaths)
  const known = pathIndex(labels)
  const unknownLabels = rows.filter(({ label }) => !known.has(pathKey(label))).length
  if (unknownLabels === rows.length)
    throw new SluiceError('SL502', `none of the ${rows.length} labels is in the label set of ${folder.dir}`)
  const forFit = ({ texts }: LabelledRow) => hash32(texts[0]!, SPLIT_SEED) / 2 ** 32 < FIT_SHARE
  const fit = method === undefined ? [] : rows.filter(forFit)
  const rest = method === undefined ? rows : rows.filter((row) => !forFit(row))
  if (method !== undefined && fit.length < FIT_ROWS_MIN)
    throw new SluiceError('SL502', `${fit.length} rows to fit ${method} with are too few: ${FIT_ROWS_MIN} is the least`)
  const before = await withModel(tools, folder, (model) => scoreRows(model, rest, asking(tools, 'before', rest.length)))
  if (method === undefined) {
    const certified = certify(before.probabilities.at(-1)!, before.hits.at(-1)!, thresholdGrid(target), target)
    const done = { folder: promised(folder, certified, job), calibrator: undefined, certified, fitRows: 0 }
    return { ...done, before, after: before, unknownLabels }
  }
  const tree = treeOf(labels)
  const limit = Math.max(FIT_ROWS_MIN, Math.floor(FIT_VALUES_MAX / tree.paths))
  const { base, spec } = uncalibrated(folder, tools)
  const { data, golden } = await withModel(tools, base, async (model) => ({
    data: await jointRows(model, fit.slice(0, limit), asking(tools, 'fit', Math.min(fit.length, limit))),
    golden: await jointRows(model, goldenRows(base), asking(tools, 'golden', base.manifest.golden.length)),
  }))
  const calibrator = fitCalibrator(method, data, tree, { fixed: spec === undefined })
  const candidate = calibratedFolder(base, spec, calibrator, golden, tree, tools)
  const { fitScores, after } = await withModel(tools, candidate, async (model) => ({
    fitScores: await scoreRows(model, fit, asking(tools, 'fit, calibrated', fit.length)),
    after: await scoreRows(model, rest, asking(tools, 'certify', rest.length)),
  }))
  const grid = thresholdGrid(target, fitScores.probabilities.at(-1)!, rest.length)
  const certified = certify(after.probabilities.at(-1)!, after.hits.at(-1)!, grid, target)
  const done = { folder: promised(candidate, certified, job), calibrator, certified, fitRows: data.rows }
  return { ...done, before, after, unknownLabels }
}

function asking({ signal, report }: CalibrateTools, what: string, total: number) {
  return { signal, report: (done: number) => report(what, done, total) }
}

async function withModel<T>(tools: CalibrateTools, folder: ModelFolder, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await tools.open(folder)
  try {
    return await use(model)
  } finally {
    await model.close()
  }
}

/** A stack's graph is not all that answers; offsets were chosen for the probabilities as they are. */
function keepsDecisions({ kind, offsets }: Manifest): boolean {
  return kind === 'stack' || offsets !== undefined
}

/** The folder without its calibration and the titles that this asked, with its graph where that gives all probabilities. */
function uncalibrated(calibrated: ModelFolder, { runtime }: CalibrateTools) {
  const parts = Object.fromEntries(Object.entries(calibrated.parts).filter(([name]) => name !== 'nearest.bin'))
  const folder = { ...calibrated, parts }
  const { calibration, ...manifest } = folder.manifest
  if (keepsDecisions(manifest)) return { base: { ...folder, manifest }, spec: undefined }
  const spec = runtime.read(folder.model)
  if (calibration?.golden === undefined) return { base: { ...folder, manifest }, spec }
  const trained = withoutTail(spec)
  const model = runtime.serialise(trained)
  return { base: { ...folder, model, manifest: { ...manifest, golden: calibration.golden } }, spec: trained }
}

function goldenRows({ manifest, labelPaths }: ModelFolder): LabelledRow[] {
  return manifest.golden.map(({ texts }) => ({ texts, label: labelPaths[0]! }))
}

/** The folder with the calibrator in its graph and manifest; its golden answers are the calibrated ones. */
function calibratedFolder(
  base: ModelFolder,
  spec: GraphSpec | undefined,
  { method, scaling, isotonic }: Calibrator,
  golden: JointRows,
  tree: Tree,
  { runtime }: CalibrateTools,
): ModelFolder {
  const trained = base.manifest.golden
  if (spec === undefined || scaling === undefined)
    return { ...base, manifest: { ...base.manifest, calibration: { method, isotonic } } }
  const { joint } = scaled(golden, tree, scaling)
  const answered = trained.map(({ texts }, row) => ({
    texts,
    probabilities: Array.from(joint.subarray(row * tree.paths, (row + 1) * tree.paths), (value) =>
      Math.min(1, Number(value.toFixed(6))),
    ),
  }))
  const manifest = { ...base.manifest, golden: answered, calibration: { method, isotonic, golden: trained } }
  return { ...base, model: runtime.serialise(withTail(spec, tree, scaling)), manifest }
}

/** Every level gets the certified threshold: probabilities never rise with depth, so the deepest level decides. */
function promised(folder: ModelFolder, certified: Certified, { files }: CalibrateJob): ModelFolder {
  if (certified.kind === 'refused') return folder
  const { certificate } = certified
  const thresholds = folder.manifest.thresholds.map(() => certificate.threshold)
  return { ...folder, manifest: { ...folder.manifest, thresholds, certificate: { ...certificate, data: files } } }
}
