// Shapes that the manifest of a model folder and the description of a pulled encoder share.
import { z } from 'zod'

export const partSchema = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.int().positive() })

export const encoderSchema = z.strictObject({
  name: z.string(),
  prefix: z.string(),
  pooling: z.enum(['mean', 'cls']),
  dims: z.int().positive(),
  tokensMax: z.int().positive(),
  normalise: z.boolean(),
})
