// The LLM stand-in as the tests of the stream use it: always the same answers, as late as the test says.
import { join } from 'node:path'
import { startStandIn } from '../../scripts/llm-stand-in.ts'
import { ROOT } from './deployment.ts'
import type { StandIn } from '../../scripts/llm-stand-in.ts'

export interface TestStandIn extends StandIn {
  /** Keys of `llm` in sluice.yaml that point at it. */
  readonly llm: Readonly<Record<string, string>>
}

/** `latency_ms`: between these, drawn anew for each call. */
export async function openStandIn(latency_ms: readonly [number, number]): Promise<TestStandIn> {
  const examplesDir = join(ROOT, 'examples')
  const standIn = await startStandIn({ port: 0, seed: 1, latency_ms, errorRate: 0, examplesDir })
  return { ...standIn, llm: { base_url: standIn.url, api_key: 'none', model: 'sluice-stand-in' } }
}
