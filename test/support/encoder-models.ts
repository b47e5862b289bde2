// Model folders of the kinds that stand on an encoder, trained on the made-up shop with the made-up encoder.
import { openEncoder } from '../../src/adapters/onnx/encoder.ts'
import { withGolden } from '../../src/adapters/onnx/golden.ts'
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import { FEATURES_VERSION } from '../../src/core/lexical/features.ts'
import { NORMALISER_VERSION } from '../../src/core/text/normalise.ts'
import { sentence } from '../../src/core/text/sentence.ts'
import { trainEncoder } from '../../src/learn/encoder/train.ts'
import { trainStack } from '../../src/learn/stack/train.ts'
import { tinyEncoder } from './encoder.ts'
import { SMALL, shopExamples } from './lexical.ts'
import type { NewModelFolder } from '../../src/adapters/files/model-folder.ts'

const TOOLS = { runtime, signal: new AbortController().signal, report: () => {}, reportLexical: () => {} }

export interface EncoderModels {
  readonly encoder: NewModelFolder
  /** The lexical part of the stack, alone. */
  readonly lexical: NewModelFolder
  /** One that asks its encoder where the lexical part gives its best path less than `ask`. */
  readonly stack: (ask: number) => Promise<NewModelFolder>
}

export async function encoderModels(): Promise<EncoderModels> {
  const { settings, graph, tokenizer } = tinyEncoder()
  const { dims } = settings
  const data = await shopExamples(400)
  const texts = data.examples.map(({ texts }) => sentence(texts))
  const vectors = new Float32Array(texts.length * dims)
  for await (const { rows, values } of (await openEncoder(settings, graph, tokenizer)).vectors(texts))
    rows.forEach((row, at) => vectors.set(values.subarray(at * dims, (at + 1) * dims), row * dims))
  const { model, better, ...heads } = await trainEncoder(data, vectors, dims, 1, TOOLS)
  const trained = await trainStack(data, vectors, dims, 1, SMALL, TOOLS)

  async function folderOf(
    kind: 'encoder' | 'stack',
    model: Uint8Array,
    learned: { temperatures: readonly number[]; thresholds: readonly number[]; ask?: number },
    more: NewModelFolder['parts'],
  ): Promise<NewModelFolder> {
    const folder = {
      manifest: {
        format: 1 as const,
        kind,
        segments: data.segments,
        normaliser: NORMALISER_VERSION,
        features: { version: FEATURES_VERSION, ...trained.lexical.features },
        encoder: settings,
        ...learned,
        data: [],
      },
      model,
      parts: { ...more, 'encoder.onnx': graph, 'tokenizer.json': tokenizer },
      labelPaths: data.labels.paths,
    }
    return { ...(await withGolden(folder)), files: {} }
  }

  const { temperatures, judgement } = heads[better]
  const { lexical, served } = trained
  const stack = (ask: number) =>
    folderOf(
      'stack',
      trained.model,
      { temperatures: lexical.temperatures, thresholds: served.thresholds, ask },
      { 'lexical.onnx': lexical.model },
    )
  const never = await stack(0)
  const alone = { ...never.manifest, kind: 'lexical' as const, encoder: undefined, ask: undefined }
  return {
    encoder: await folderOf('encoder', model, { temperatures, thresholds: judgement.thresholds }, {}),
    lexical: { ...never, manifest: alone, model: lexical.model, parts: {} },
    stack,
  }
}
