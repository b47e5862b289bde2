// What a running process says of itself on its own /metrics.

/** Sum of the series of that name on http://127.0.0.1:PORT/metrics; 0 where there is none. Rejects where nobody listens. */
export async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  let sum = 0
  for (const line of text.split('\n')) {
    const [series = '', value] = line.split(/ (?=\S+$)/)
    if (series === name || series.startsWith(`${name}{`)) sum += Number(value)
  }
  return sum
}

export const HEAP = 'nodejs_heap_size_used_bytes'
