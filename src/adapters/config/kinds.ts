// The kinds of keys that configurations are made of: times in milliseconds, counts, texts, addresses, groups of them.
// Must never put a value into a message: it may be a key.
import { z } from 'zod'

export const ms = (value: number, says: string) =>
  z.int().positive().max(86_400_000).default(value).describe(`${says} (milliseconds)`)
export const count = (value: number, says: string) => z.int().positive().default(value).describe(says)
export const text = (value: string, says: string) => z.string().default(value).describe(says)
/** The message names no value: a URL may carry a password. */
export const url = (value: string, protocols: readonly string[], says: string) =>
  z
    .string()
    .refine(
      (text) => (text === '' && value === '') || protocols.includes(URL.parse(text)?.protocol ?? ''),
      `not a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    )
    .default(value)
    .describe(says)
export const HTTP = ['http:', 'https:']
export const group = <Shape extends z.core.$ZodLooseShape>(shape: Shape, says: string) =>
  z
    .strictObject(shape)
    .prefault({} as never)
    .describe(says)
