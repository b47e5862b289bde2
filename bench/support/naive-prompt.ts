// The prompt that a person writes first: a rubric, and every label of the set with what it means and some products that
// belong there, once for each product. Descriptions and examples come from training rows; nothing is there twice.
import { pathKey } from '../../src/core/labels.ts'
import type { LabelSet } from '../../src/core/labels.ts'
import type { LabelledText } from './repeats.ts'

export const EXAMPLES_PER_LABEL = 5
const WORDS_PER_LABEL = 8

const RUBRIC = `You are an expert in product taxonomy for an online shop. You will be given the title of one product. Your task is to
choose the one category path that fits it best from the list of categories below.

Guidelines:
- Read the whole title before you decide. Look for the product type first, then for its material, use and audience.
- Choose the most specific category that fits the product itself, not its packaging, brand, colour or flavour.
- If a product fits several categories, choose the one in which a shopper would look for it first.
- For bundles and multipacks choose the category of the main product.
- Accessories belong to the category of accessories, not to that of the product they are used with.
- Do not invent categories. Copy the path exactly as it is written in the list, with " > " between the levels.
- Reply with a JSON object of this form and nothing else: {"category": "<path>", "confidence": <number from 0 to 1>}`

export interface NaivePrompt {
  /** All but the title, which follows it. */
  readonly fixed: string
  /** Text by what it is for. */
  readonly parts: Readonly<Record<'rubric' | 'paths' | 'descriptions' | 'examples', string>>
}

export function naivePrompt(labels: LabelSet, training: readonly LabelledText[]): NaivePrompt {
  const byLabel = Map.groupBy(training, ({ label }) => pathKey(label))
  const everywhere = wordsOf(training)
  const parts = { rubric: RUBRIC, paths: '', descriptions: '', examples: '' }
  const sections = labels.paths.map((path) => {
    const rows = byLabel.get(pathKey(path)) ?? []
    const leaf = path.at(-1)!
    const above = path.slice(0, -1).join(' > ')
    const typical = distinctive(wordsOf(rows), everywhere, rows.length)
    const description = `Description: products of the kind "${leaf}"${above && ` within "${above}"`}. Titles often say: ${typical.join(', ')}.`
    const examples = rows.slice(0, EXAMPLES_PER_LABEL).map(({ title }) => `- ${title}`)
    parts.paths += `${pathKey(path)}\n`
    parts.descriptions += `${description}\n`
    parts.examples += `${examples.join('\n')}\n`
    return `## ${pathKey(path)}\n${description}\nExamples:\n${examples.join('\n')}`
  })
  return { fixed: `${RUBRIC}\n\nCategories:\n\n${sections.join('\n\n')}\n\nProduct title: `, parts }
}

/** Rows that hold each word. */
function wordsOf(rows: readonly LabelledText[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { title } of rows)
    for (const word of new Set(title.toLowerCase().match(/\p{L}{3,}/gu))) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

/** Words that many of the rows share and few others have. */
function distinctive(
  here: ReadonlyMap<string, number>,
  everywhere: ReadonlyMap<string, number>,
  rows: number,
): string[] {
  const score = ([word, count]: [string, number]) => (count / rows) * (count / everywhere.get(word)!)
  return [...here]
    .sort((a, b) => score(b) - score(a))
    .slice(0, WORDS_PER_LABEL)
    .map(([word]) => word)
}
