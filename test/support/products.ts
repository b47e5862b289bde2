// Products for the fault tests, made of the titles under examples/: as many as wanted, each with a text of its own,
// the same ones for the same number.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './deployment.ts'

export interface Product {
  readonly [field: string]: unknown
  readonly id: string
  readonly title: string
  readonly brand: string | null
}

export interface Query {
  readonly [field: string]: unknown
  readonly id: string
  readonly query: string
  readonly candidates: readonly Product[]
}

export function products(count: number, from = 0): Product[] {
  const examples = rows<{ title: string; brand?: string }>('products.jsonl')
  return Array.from({ length: count }, (_, index) => {
    const at = from + index
    const { title, brand } = examples[at % examples.length]!
    const round = Math.floor(at / examples.length)
    return { id: `p${at}`, title: round === 0 ? title : `${title} ${round} pcs`, brand: brand ?? null }
  })
}

export function queries(count: number): Query[] {
  const examples = rows<{ query: string; candidates: { id: string; title: string; brand?: string }[] }>('queries.jsonl')
  return Array.from({ length: count }, (_, index) => {
    const { query, candidates } = examples[index % examples.length]!
    const round = Math.floor(index / examples.length)
    return {
      id: `q${index}`,
      query: round === 0 ? query : `${query} ${round}`,
      candidates: candidates.map(({ id, title, brand }) => ({ id, title, brand: brand ?? null })),
    }
  })
}

function rows<Row>(name: string): Row[] {
  const lines = readFileSync(join(ROOT, 'examples', name), 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row)
}
