// One fine-tuning: batches through the graph with gradients, steps of the optimiser, a look at the validation part after
// each epoch; the best epoch's weights are kept. Repeatable for a seed where no time limit is set.
import { SluiceError } from '../../core/error.ts'
import { random } from '../../core/random.ts'
import { fitTemperature } from '../pair/calibrate.ts'
import { differentiate } from '../autodiff/differentiate.ts'
import { observeShapes } from '../autodiff/shapes.ts'
import { answersOf, fed, floats } from './answers.ts'
import { type Tokens, shuffledBatches, tokenFeeds } from './batches.ts'
import { CLASSIFIER, type Classifier, KEPT, TARGETS, asInputs, classifierOf, withLoss } from './classifier.ts'
import { type Gradient, optimiser } from './optimiser.ts'
import type { Compiled, GraphRuntime, GraphSpec, Tensor } from '../../ports/graph.ts'
import type { TransformerSettings } from './settings.ts'

export interface TokenRow extends Tokens {
  /** Index of the class. */
  readonly label: number
  /** Shares of the classes that stand for the label while it learns. */
  readonly shares?: Float32Array | undefined
  readonly weight: number
}

export interface FitData {
  readonly training: readonly TokenRow[]
  readonly validation: readonly TokenRow[]
  readonly classes: number
}

export interface FitTools {
  readonly runtime: GraphRuntime
  readonly signal: AbortSignal
  /** Called after each step; `loss` is the mean over the last hundred, `progress` the share of the work that is done. */
  readonly onStep: (step: number, steps: number, loss: number, rowsPerSecond: number, progress: number) => void
  /** Called after each epoch with the loss and the accuracy on the validation part. */
  readonly onEpoch: (epoch: number, loss: number, accuracy: number) => void
}

export interface Fitted {
  readonly classifier: Classifier
  /** The trained weights, by name. */
  readonly weights: Readonly<Record<string, Tensor>>
  readonly epochs: number
  readonly steps: number
  /** Of the validation rows, in order, [rows × classes]. */
  readonly logits: Float32Array
  /** That suits these logits best (Guo et al., ICML 2017). */
  readonly temperature: number
  /** Training rows a second, without the validation. */
  readonly rowsPerSecond: number
}

const LOSSES_SHOWN = 100

/** Throws SL503 where the loss is not finite or the encoder cannot be differentiated; the signal's reason when aborted. */
export async function fitTransformer(
  encoder: GraphSpec,
  data: FitData,
  settings: TransformerSettings & { readonly seed: number },
  tools: FitTools,
): Promise<Fitted> {
  const { runtime } = tools
  const { threads, rank, seed } = settings
  const next = random(seed)
  const classifier = classifierOf(encoder, { classes: data.classes, rank, next })
  const { spec, lookups } = classifier
  const names = [...classifier.weights, ...new Set(lookups.map(({ table }) => table))]
  const width = spec.inputs.find(({ name }) => name === KEPT)!.dims[1] as number
  const state = Object.fromEntries(names.map((name) => [name, copied(spec.initializers[name]!)]))
  const step = await trainingStep(classifier, data, state, width, tools, threads)
  const answer = await runtime.compile(runtime.serialise(asInputs(spec, names)), { threads })
  try {
    const kept = { [KEPT]: floats([1, width], () => 1) }
    const look = () => answersOf(answer, data.validation, data.classes, { ...state, ...kept }, tools.signal)
    return { classifier, ...(await loop({ classifier, data, settings, next, state, width, step, look }, tools)) }
  } finally {
    await step.close()
    await answer.close()
  }
}

interface Work {
  readonly classifier: Classifier
  readonly data: FitData
  readonly settings: TransformerSettings
  readonly next: () => number
  readonly state: Readonly<Record<string, Tensor>>
  readonly width: number
  readonly step: Compiled
  readonly look: () => Promise<Float32Array>
}

async function loop(work: Work, tools: FitTools): Promise<Omit<Fitted, 'classifier'>> {
  const { data, settings, next, state, width, step, look } = work
  const { training, validation, classes } = data
  const arrays = Object.fromEntries(
    Object.entries(state).map(([name, { data: values }]) => [name, values as Float32Array]),
  )
  const steps = Math.ceil(training.length / settings.batchRows) * settings.epochs
  const { adamw, normMax, classifierPace } = settings
  const pace = (name: string) => (CLASSIFIER.has(name) ? classifierPace : 1)
  const update = optimiser(arrays, (name) => state[name]!.dims.length > 1, { adamw, normMax, pace })
  const lengths = training.map(({ ids }) => ids.length)
  const losses: number[] = []
  let best:
    | { loss: number; temperature: number; logits: Float32Array; epoch: number; weights: Record<string, Float32Array> }
    | undefined
  let [done, rows, seconds] = [0, 0, 0]
  const limit = settings.minutes * 60
  for (let epoch = 1; epoch <= settings.epochs && seconds < limit; epoch++) {
    for (const batch of shuffledBatches(lengths, settings.batchRows, next)) {
      tools.signal.throwIfAborted()
      if (seconds >= limit) break
      const started = performance.now()
      const picked = Array.from(batch, (row) => training[row]!)
      const rate = settings.learningRate * schedule(Math.max((done + 1) / steps, seconds / limit), settings.warmup)
      const outputs = await step.run(feedsFor(step, picked, { classes, width, settings, next }, state))
      const loss = outputs['loss']!.data[0] as number
      if (!Number.isFinite(loss))
        throw new SluiceError('SL503', `the loss is ${loss} in epoch ${epoch}, step ${done + 1}`)
      const norm = update.step(gradientsOf(outputs, work.classifier), rate)
      if (!Number.isFinite(norm)) throw new SluiceError('SL503', `the gradient is not finite in step ${done + 1}`)
      rows += batch.length
      seconds += (performance.now() - started) / 1000
      losses[done++ % LOSSES_SHOWN] = loss
      const shown = losses.reduce((a, b) => a + b, 0) / losses.length
      tools.onStep(done, steps, shown, rows / seconds, Math.max(done / steps, seconds / limit))
    }
    const logits = await look()
    const { loss, accuracy, temperature } = judged(logits, validation, classes)
    tools.onEpoch(epoch, loss, accuracy)
    // A worse epoch ends nothing: the rate falls to the end of the last, and what it falls to is what is wanted.
    if (best === undefined || loss < best.loss)
      best = { loss, temperature, logits, epoch, weights: mapped(arrays, (values) => values.slice()) }
  }
  const { logits, temperature, epoch, weights } = best!
  const trained = Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => [name, { ...tensor, data: weights[name]! }]),
  )
  return { weights: trained, epochs: epoch, steps: done, logits, temperature, rowsPerSecond: rows / seconds }
}

/** The graph with gradients, compiled with every trained weight as an input. */
async function trainingStep(
  classifier: Classifier,
  { training, classes }: FitData,
  state: Readonly<Record<string, Tensor>>,
  width: number,
  { runtime }: FitTools,
  threads: number,
): Promise<Compiled> {
  const { weights, lookups } = classifier
  const names = Object.keys(state)
  const spec = asInputs(withLoss(classifier, classes), names)
  const sample = training.slice(0, 3).map((row) => ({ ...row, ids: row.ids.slice(0, 7) }))
  while (sample.length < 3) sample.push(...sample)
  const feeds = {
    ...tokenFeeds(sample),
    [KEPT]: floats([sample.length, width], () => 1),
    [TARGETS]: floats([sample.length, classes], () => 1),
    ...state,
  }
  const known = Object.fromEntries(
    Object.entries(feeds).filter(([name]) => spec.inputs.some((one) => one.name === name)),
  )
  const shapes = await observeShapes(runtime, spec, known)
  const rows = lookups.map((lookup) => lookup.rows)
  return runtime.compile(runtime.serialise(differentiate(spec, 'loss', [...weights, ...rows], shapes)), { threads })
}

function gradientsOf(outputs: Readonly<Record<string, Tensor>>, { weights, lookups }: Classifier): Gradient[] {
  const values = (name: string) => outputs[`d(${name})`]!.data as Float32Array
  return [
    ...weights.map((name) => ({ name, values: values(name) })),
    ...lookups.map(({ table, rows }, at) => ({
      name: table,
      values: values(rows),
      rows: outputs[`indices.${at}`]!.data as BigInt64Array,
    })),
  ]
}

function feedsFor(
  step: Compiled,
  rows: readonly TokenRow[],
  { classes, width, settings, next }: Pick<Work, 'width' | 'settings' | 'next'> & { readonly classes: number },
  state: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const { dropout, labelSmoothing } = settings
  const scale = 1 / (1 - dropout)
  const total = rows.reduce((sum, { weight }) => sum + weight, 0)
  const targets = floats([rows.length, classes], () => labelSmoothing / classes)
  const values = targets.data as Float32Array
  rows.forEach(({ label, shares, weight }, at) => {
    if (shares === undefined) values[at * classes + label]! += 1 - labelSmoothing
    else shares.forEach((share, c) => (values[at * classes + c]! += share * (1 - labelSmoothing)))
    for (let c = at * classes; c < (at + 1) * classes; c++) values[c]! *= weight / total
  })
  const kept = floats([rows.length, width], () => (next() < dropout ? 0 : scale))
  return fed(step, { ...tokenFeeds(rows), [KEPT]: kept, [TARGETS]: targets, ...state })
}

/**
 * Accuracy, and mean weighted cross-entropy at the temperature that suits the logits best: it is fitted after the training
 * anyway, and an epoch that is only too sure of itself (Guo et al., ICML 2017, figure 3) is no worse for it.
 */
function judged(logits: Float32Array, rows: readonly TokenRow[], classes: number) {
  const labels = Int32Array.from(rows, ({ label }) => label)
  const temperature = fitTemperature({ scores: logits, labels, classes }, Int32Array.from(rows.keys()))
  let [loss, right, total] = [0, 0, 0]
  rows.forEach(({ label, weight }, row) => {
    const own = logits.subarray(row * classes, (row + 1) * classes)
    const top = Math.max(...own)
    const sum = own.reduce((all, value) => all + Math.exp((value - top) / temperature), 0)
    loss += weight * (Math.log(sum) + (top - own[label]!) / temperature)
    total += weight
    if (own[label] === top) right++
  })
  return { loss: loss / total, accuracy: right / rows.length, temperature }
}

/** Linear warm-up, then linear decay to nothing; progress in (0, 1]. */
function schedule(progress: number, warmup: number): number {
  return progress < warmup ? progress / warmup : Math.max(0, (1 - progress) / (1 - warmup))
}

function copied({ dtype, dims, data }: Tensor): Tensor {
  return { dtype, dims, data: (data as Float32Array).slice() }
}

function mapped<From, To>(record: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}
