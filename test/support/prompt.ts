// The prompt that comes with Sluice, for tasks that tests make.
import { readFileSync } from 'node:fs'
import { examplePool } from '../../src/core/llm/examples.ts'
import { parsePromptTemplate } from '../../src/core/llm/prompt-template.ts'

const read = (name: string) => readFileSync(new URL(`../../prompts/${name}.md`, import.meta.url), 'utf8')

export const PROMPT = { prompt: parsePromptTemplate(read('classify'), read('rules')), examples: examplePool([], 0) }
