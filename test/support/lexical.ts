// A small made-up shop for tests of lexical models: rows whose words give their label away, and a model trained on them.
import { fileURLToPath } from 'node:url'
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import { NORMALISER_VERSION } from '../../src/core/text/normalise.ts'
import { FEATURES_VERSION } from '../../src/core/lexical/features.ts'
import { random } from '../../src/core/random.ts'
import { taxonomyExamples } from '../../src/learn/examples.ts'
import { LEXICAL } from '../../src/learn/lexical/settings.ts'
import { trainLexical } from '../../src/learn/lexical/train.ts'
import type { NewModelFolder } from '../../src/adapters/files/model-folder.ts'
import type { Examples } from '../../src/learn/examples.ts'
import type { LexicalSettings } from '../../src/learn/lexical/settings.ts'

const SHOP: Readonly<Record<string, readonly string[]>> = {
  'drinks > tea': ['green tea', 'earl grey tea bags', 'masala chai', 'peppermint infusion'],
  'drinks > juice': ['orange juice', 'apple nectar', 'mango juice drink', 'cranberry juice'],
  'home > lamps': ['desk lamp led', 'night light', 'floor lamp', 'bulb e27'],
  'home > towels': ['bath towel cotton', 'hand towel set', 'beach towel', 'tea towel'],
}
const EXTRA = ['500 g', 'pack of 2', 'premium', 'family size', '1 l', 'blue', 'organic', 'new', 'classic', 'value']

export function shopRows(count: number, seed = 1): { id: string; title: string; label: string[] }[] {
  const next = random(seed)
  const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)]!
  return Array.from({ length: count }, (_, index) => {
    const [label, titles] = pick(Object.entries(SHOP))
    return {
      id: String(index),
      title: `${pick(titles)} ${pick(EXTRA)} ${pick(EXTRA)} no ${index}`,
      label: label.split(' > '),
    }
  })
}

export const SMALL: LexicalSettings = {
  ...LEXICAL,
  features: { ...LEXICAL.features, buckets: 4096 },
  width: 16,
  effort: 150,
  effortMax: 150,
  validationRows: 1,
}

export function shopExamples(count: number): Promise<Examples> {
  return taxonomyExamples(shopRows(count).map((value, line) => ({ file: 'shop.jsonl', line: line + 1, value })))
}

export async function shopModel(settings = SMALL): Promise<NewModelFolder> {
  const data = await shopExamples(400)
  const tools = { runtime, signal: new AbortController().signal, report: () => {} }
  const trained = await trainLexical(data, settings, 1, tools)
  return {
    manifest: {
      format: 1,
      kind: 'lexical',
      segments: data.segments,
      normaliser: NORMALISER_VERSION,
      features: { version: FEATURES_VERSION, ...trained.features },
      temperatures: trained.temperatures,
      thresholds: trained.thresholds,
      calibration: trained.calibration,
      data: [],
      golden: trained.golden,
    },
    model: trained.model,
    parts: trained.parts,
    labelPaths: data.labels.paths,
    files: {},
  }
}

/** Where the training data lies beside the checkout, if it does. */
export const SHARED_DATA = fileURLToPath(new URL('../../../shared/data/', import.meta.url))
