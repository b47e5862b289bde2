// What the stand-in "knows": the labels of examples/*.jsonl, found by text alone, as a model would have to.
// Must never look at ids, and never at anything but the request and these files.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Asked {
  /** Texts of the item's segments, in the order of the prompt. */
  readonly texts: readonly string[]
  readonly labels: readonly string[]
}

export type Answerer = (asked: Asked) => string

const NONE = 'none_of_these'
/** Share of trigrams in common from which a text counts as one we know. */
const SAME_MIN = 0.5

/** `errorRate` of the texts get another label of the enum, always the same texts for one seed. */
export function answerer(examplesDir: string, seed: number, errorRate: number): Answerer {
  const known = index(examplesDir)
  return ({ texts, labels }) => {
    const key = normal(texts.join(' '))
    const right = choose(known(texts), key, labels)
    if (chance(`${seed} err ${key}`) >= errorRate) return right
    const others = labels.filter((label) => label !== right && label !== NONE)
    return others[Math.floor(chance(`${seed} pick ${key}`) * others.length)] ?? right
  }
}

/** The true path if it is on offer, else the deepest node above it, else the way out; unknown texts go by their words. */
function choose(truth: readonly string[] | undefined, key: string, labels: readonly string[]): string {
  const byName = new Map(labels.map((label) => [label.toLowerCase(), label]))
  const none = byName.get(NONE)
  if (truth !== undefined) {
    for (let depth = truth.length; depth > 0; depth--) {
      const hit = byName.get(truth.slice(0, depth).join(' > ').toLowerCase())
      if (hit !== undefined) return hit
    }
    if (none !== undefined) return none
  }
  const words = new Set(key.split(' '))
  const overlap = (label: string) => {
    const named = normal(label).split(' ')
    return named.filter((word) => words.has(word) || words.has(word.replace(/s$/, ''))).length / named.length
  }
  const best = labels.toSorted((a, b) => overlap(b) - overlap(a))[0]!
  return overlap(best) > 0 ? best : (none ?? labels[Math.floor(chance(key) * labels.length)]!)
}

interface Entry {
  readonly grams: ReadonlySet<string>
  readonly label: readonly string[]
}

function index(examplesDir: string): (texts: readonly string[]) => readonly string[] | undefined {
  const entries = [...products(examplesDir), ...pairs(examplesDir)]
  const byGram = new Map<string, number[]>()
  entries.forEach(({ grams }, at) => {
    for (const gram of grams) {
      const list = byGram.get(gram)
      if (list) list.push(at)
      else byGram.set(gram, [at])
    }
  })
  const nearest = (grams: ReadonlySet<string>) => {
    const shared = new Map<number, number>()
    for (const gram of grams) for (const at of byGram.get(gram) ?? []) shared.set(at, (shared.get(at) ?? 0) + 1)
    let best = { similarity: 0, at: -1 }
    for (const [at, count] of shared) {
      const similarity = count / (grams.size + entries[at]!.grams.size - count)
      if (similarity > best.similarity) best = { similarity, at }
    }
    return best
  }
  return (texts) => {
    const asProduct = nearest(trigrams('p', texts.join(' ')))
    const asPair = nearest(pairGrams(texts[0] ?? '', texts.slice(1).join(' ')))
    const best = texts.length > 1 && asPair.similarity >= asProduct.similarity ? asPair : asProduct
    return best.similarity >= SAME_MIN ? entries[best.at]!.label : undefined
  }
}

interface Product {
  readonly title: string
  readonly brand?: string
  readonly description?: string
}

function products(examplesDir: string): Entry[] {
  return rows<Product & { label: string[] }>(examplesDir, 'products.jsonl').flatMap((row) =>
    wordings(row).map((text) => ({ grams: trigrams('p', text), label: row.label })),
  )
}

function pairs(examplesDir: string): Entry[] {
  const queries = rows<{ query: string; candidates: (Product & { label: string })[] }>(examplesDir, 'queries.jsonl')
  return queries.flatMap(({ query, candidates }) =>
    candidates.flatMap((candidate) =>
      wordings(candidate).map((text) => ({ grams: pairGrams(query, text), label: [candidate.label] })),
    ),
  )
}

/** What of a product a task may show: with and without its brand and description. */
function wordings({ brand = '', title, description = '' }: Product): string[] {
  return [
    ...new Set([title, `${brand} ${title}`, `${title} ${description}`, `${brand} ${title} ${description}`].map(normal)),
  ]
}

function rows<Row>(examplesDir: string, name: string): Row[] {
  const lines = readFileSync(join(examplesDir, name), 'utf8').split('\n')
  return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as Row)
}

function pairGrams(query: string, text: string): Set<string> {
  return trigrams('q', query).union(trigrams('c', text))
}

function trigrams(kind: string, text: string): Set<string> {
  const padded = ` ${normal(text)} `
  const grams = new Set<string>()
  for (let at = 0; at + 3 <= padded.length; at++) grams.add(`${kind}${padded.slice(at, at + 3)}`)
  return grams
}

function normal(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}

/** A number in [0, 1) that depends on the text alone: FNV-1a with a final mix. */
export function chance(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
