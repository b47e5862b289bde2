// Products for benchmarks: real titles of ../shared/data where they are, else those of examples/. Each one is made
// different from all others, so that no cache answers it: the worst case.
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readLines } from '../../src/adapters/files/rows.ts'
import { ROOT } from '../../test/support/deployment.ts'

export interface BenchProduct {
  readonly id: string
  readonly title: string
  readonly brand: string | null
}

const SOURCES = [join(ROOT, '..', 'shared', 'data', 'grocery.jsonl.gz'), join(ROOT, 'examples', 'products.jsonl')]

export async function benchProducts(count: number): Promise<{ products: BenchProduct[]; source: string }> {
  const source = SOURCES.find((file) => existsSync(file))!
  const rows: { title: string; brand?: string }[] = []
  for await (const { value } of readLines(source)) rows.push(value as { title: string; brand?: string })
  const products = Array.from({ length: count }, (_, index) => {
    const { title, brand } = rows[index % rows.length]!
    const round = Math.floor(index / rows.length)
    return { id: `b${index}`, title: round === 0 ? title : `${title} ${round}`, brand: brand ?? null }
  })
  return { products, source: basename(source) }
}
