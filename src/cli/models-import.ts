// `sluice models import`: an exported sequence classifier and its tokenizer.json become a model folder like any other.
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { checkRoom, writeModelFolder } from '../adapters/files/model-folder.ts'
import { withGolden } from '../adapters/onnx/golden.ts'
import { importGraph } from '../adapters/onnx/imported-graph.ts'
import { SluiceError } from '../core/error.ts'
import { labelSet, pathIndex, pathKey } from '../core/labels.ts'
import { numberOf, parse } from './command.ts'
import { importedManifest } from './imported.ts'

const HELP = `usage: sluice models import --onnx FILE --tokenizer FILE --labels A,B,… --out DIR [--segments NAME,…] …

Makes a model folder from any exported sequence classifier: an ONNX file that reads input_ids and attention_mask (and
token_type_ids where it has them) and gives logits, and the tokenizer.json beside it. Nothing is trained.

  --labels A,B,…      names of the logits, in their order; a path is written "l1 > l2"; one logit has two labels,
                      the second being what a high score says
  --segments NAME,…   the texts it reads (default title); query,title or query,title,description makes it read a pair
  --tokens-max N      longer texts are cut (default 64)
  --temperature T     logits are divided by it (default 1)
  --thresholds P,…    where the gate stands, per level (default 0.9 each)
`

const OPTIONS = {
  onnx: { type: 'string' },
  tokenizer: { type: 'string' },
  labels: { type: 'string' },
  out: { type: 'string' },
  segments: { type: 'string', default: 'title' },
  'tokens-max': { type: 'string', default: '64' },
  temperature: { type: 'string', default: '1' },
  thresholds: { type: 'string' },
} as const

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, OPTIONS)
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const needed = (name: 'onnx' | 'tokenizer' | 'labels' | 'out'): string => {
    const value = values[name]
    if (value === undefined) throw new SluiceError('SL104', `models import needs --${name}`)
    return value
  }
  const [onnx, tokenizer, out] = [needed('onnx'), needed('tokenizer'), needed('out')]
  const given = needed('labels')
    .split(',')
    .map((label) => label.split('>').map((name) => name.trim()))
  const segments = values.segments.split(',')
  const pair = segments[0] === 'query'
  const tokensMax = numberOf('tokens-max', values['tokens-max'], { whole: true, from: 1 })
  const temperature = numberOf('temperature', values.temperature, { above: 0 })
  const labels = setOf(given)
  const thresholds =
    values.thresholds?.split(',').map((one) => numberOf('thresholds', one, { above: 0 })) ??
    labels.paths[0]!.map(() => 0.9)
  await checkRoom(out)
  const index = pathIndex(labels)
  const order = labels.paths.map(() => 0)
  given.forEach((path, logit) => (order[index.get(pathKey(path))!] = logit))
  const { model, types } = importGraph(await bytesOf(onnx), order, temperature)
  const folder = {
    manifest: {
      ...importedManifest({ segments, pair, tokensMax, types }),
      temperatures: thresholds.map(() => temperature),
      thresholds,
      data: [],
    },
    model,
    parts: { 'tokenizer.json': await bytesOf(tokenizer) },
    labelPaths: labels.paths,
  }
  const answered = await withGolden(folder).catch((error: unknown) => {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('SL501', `${onnx}: does not run: ${(error as Error).message}`, { cause: error })
  })
  const files = { 'card.md': card(basename(onnx), args) }
  await writeModelFolder(out, { ...answered, files })
  const report = { out, labels: labels.paths.length, pair, bytes: model.length }
  process.stdout.write(
    values.json
      ? `${JSON.stringify(report)}\n`
      : `${out}: ${labels.paths.length} labels, ${(model.length / 1e6).toFixed(1)} MB\n`,
  )
  return 0
}

function setOf(given: readonly (readonly string[])[]) {
  try {
    const labels = labelSet(given)
    if (labels.paths.length === given.length && given.length > 1) return labels
  } catch (error) {
    throw new SluiceError('SL104', `--labels: ${(error as Error).message}`, { cause: error })
  }
  throw new SluiceError('SL104', '--labels needs two different names or more')
}

async function bytesOf(file: string): Promise<Uint8Array> {
  return readFile(file).catch((error: unknown) => {
    throw new SluiceError('SL102', `${file}: ${(error as Error).message}`, { cause: error })
  })
}

function card(file: string, args: readonly string[]): string {
  return `# Model card
Kind \`imported\`: \`${file}\` as it was exported, not trained here. What it was trained on and how good it is, its maker
says; measure it on rows of your own with \`sluice evaluate\`. Probabilities are not calibrated here: \`sluice calibrate\`.

    sluice models import ${args.join(' ')}
`
}
