// Lexical models: texts → feature ids and term frequencies, cut into batches of about equal length.
// Runs inside a worker; owns its buffers, so a batch's feeds are valid only until the next is made.
import { FEATURES_VERSION, extractor, sublinear } from '../../core/lexical/features.ts'
import { normalise } from '../../core/text/normalise.ts'
import { SluiceError } from '../../core/error.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Batches } from './open-kind.ts'

/** Measured by bench/lexical.ts: 32 titles' rows of an eight-bit table stay in a core's second-level cache. */
const BATCH_ROWS = 32
/** Batches hold at most this many ids, padding included: long texts go in smaller batches. */
const BATCH_IDS = 8192

export function lexicalBatches(manifest: Manifest): Batches {
  const { features } = manifest
  if (features.version !== FEATURES_VERSION)
    throw new SluiceError('SL501', `made with features version ${features.version}; this is ${FEATURES_VERSION}`)
  const extract = extractor(features as unknown as FeatureSettings)
  const segments = manifest.segments.length
  let ids = new Int32Array(1 << 16)
  let tf = new Float32Array(1 << 16)
  const batchIds = new Int32Array(Math.max(BATCH_IDS, (features as unknown as FeatureSettings).featuresMax))
  const batchTf = new Float32Array(batchIds.length)

  return function* batches(inputs) {
    const starts = new Int32Array(inputs.length + 1)
    inputs.forEach((texts, row) => {
      const bag = extract(texts.slice(0, segments).map(normalise))
      const start = starts[row]!
      const end = start + bag.size
      if (end > ids.length) {
        ids = grown(ids, new Int32Array(ids.length * 2))
        tf = grown(tf, new Float32Array(tf.length * 2))
      }
      for (let j = 0; j < bag.size; j++) {
        ids[start + j] = bag.ids[j]!
        tf[start + j] = sublinear(bag.counts[j]!)
      }
      starts[row + 1] = end
    })
    const sizeOf = (row: number) => starts[row + 1]! - starts[row]!
    const order = Int32Array.from(inputs, (_, row) => row).sort((a, b) => sizeOf(a) - sizeOf(b))
    for (let from = 0; from < order.length;) {
      let to = from + 1
      let width = Math.max(1, sizeOf(order[from]!))
      while (to < order.length && to - from < BATCH_ROWS) {
        const next = Math.max(width, sizeOf(order[to]!))
        if (next * (to - from + 1) > BATCH_IDS) break
        width = next
        to++
      }
      const count = (to - from) * width
      batchIds.fill(0, 0, count)
      batchTf.fill(0, 0, count)
      for (let at = from; at < to; at++) {
        const row = order[at]!
        batchIds.set(ids.subarray(starts[row]!, starts[row + 1]!), (at - from) * width)
        batchTf.set(tf.subarray(starts[row]!, starts[row + 1]!), (at - from) * width)
      }
      const dims = [to - from, width]
      yield {
        rows: order.subarray(from, to),
        feeds: {
          ids: { dtype: 'int32', dims, data: batchIds.subarray(0, count) },
          tf: { dtype: 'float32', dims, data: batchTf.subarray(0, count) },
        },
      }
      from = to
    }
  }
}

function grown<T extends Int32Array | Float32Array>(old: T, next: T): T {
  next.set(old)
  return next
}
