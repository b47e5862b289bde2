// Looks into the bytes of a model before any of it runs: one file, the output that the label set needs.
// A model that loads is not a model that is whole; digests and the golden batch do the rest.
import onnxProto from 'onnx-proto'
import { SluiceError } from '../../core/error.ts'
import type { ModelFolder } from '../../ports/manifest.ts'

const EXTERNAL = 1

/** Throws SluiceError SL501 on external data, a graph that cannot be read, or outputs of another shape. */
export function checkGraph({ dir, manifest, model }: Pick<ModelFolder, 'dir' | 'manifest' | 'model'>): void {
  const fail = (why: string, cause?: unknown): never => {
    throw new SluiceError('SL501', `${dir}/model.onnx: ${why}`, { cause })
  }
  let graph
  try {
    graph = onnxProto.onnx.ModelProto.decode(model).graph
  } catch (error) {
    return fail('no ONNX file', error)
  }
  if (graph?.initializer?.some(({ dataLocation, externalData }) => dataLocation === EXTERNAL || externalData?.length))
    fail('refers to data outside the file')
  const output = graph?.output?.find(({ name }) => name === 'probabilities')
  const width = Number(output?.type?.tensorType?.shape?.dim?.[1]?.dimValue ?? 0)
  if (width !== manifest.labels.paths)
    fail(`gives ${width} probabilities, the label set has ${manifest.labels.paths} paths`)
  const inputs = graph?.input?.map(({ name }) => name) ?? []
  if (inputs.length === 0) fail('has no inputs')
  const wrong = manifest.golden.find(({ probabilities }) => probabilities.length !== width)
  if (wrong) fail('the golden batch is of another shape')
}
