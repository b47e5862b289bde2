// What `llm.redact` may hold: what is taken out of every text before an LLM sees it. A pattern whose time is not bounded
// is refused here, before any text meets it.
import { z } from 'zod'
import { refusal } from '../../core/llm/pattern.ts'
import { REDACTIONS } from '../../core/llm/redact.ts'
import type { RedactSettings } from '../../core/llm/redact.ts'

const PATTERNS_MAX = 32

const pattern = z.string().superRefine((source, context) => {
  const why = refusal(source)
  if (why !== undefined) context.addIssue({ code: 'custom', message: `the pattern ${why}` })
})

export const redactSchema = z
  .strictObject({
    kinds: z
      .array(z.enum(REDACTIONS))
      .default([...REDACTIONS])
      .describe('built-in: e-mail addresses, telephone and card numbers, runs of eight digits or more'),
    patterns: z
      .record(z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/, 'a name is small letters, digits, _ and -'), pattern)
      .refine((all) => Object.keys(all).length <= PATTERNS_MAX, `${PATTERNS_MAX} patterns at most`)
      .default({})
      .describe('your own regular expressions by name: [name] stands in place of what they match'),
  })
  .transform(({ kinds, patterns }): RedactSettings => {
    const own = Object.entries(patterns).map(([name, source]) => [name, new RegExp(source, 'gu')] as const)
    return { kinds, patterns: Object.fromEntries(own) }
  })
  .prefault({})
  .describe('taken out of every text before an LLM sees it')
