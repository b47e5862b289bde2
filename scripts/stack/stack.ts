// The servers that Sluice needs, for the demo, the tests and `npm run stack`: real images where a container engine
// answers, otherwise child processes of this one. Everything started here ends with this process at the latest.
import type { Say } from '../process.ts'
import { composeStack, engineAnswers } from './compose.ts'
import { localStack } from './local.ts'

export type Stack = {
  /** host:port */
  readonly kafka: string
  /** http://host:port */
  readonly registry: string
  /** redis://host:port; none where Redis cannot be had. */
  readonly redis?: string
  /** Kills a server at once and waits until it is gone; starts it again on the same port with the same data. */
  killKafka(): Promise<void>
  startKafka(): Promise<void>
  killRedis(): Promise<void>
  startRedis(): Promise<void>
  killRegistry(): Promise<void>
  startRegistry(): Promise<void>
  /** Ends all servers and removes their data. May be called twice. */
  stop(): Promise<void>
}

export type StackOptions = {
  /** One line for each thing that takes time; silent when nothing is to do. */
  readonly say: Say
  /** For measuring: a broker that starts slower and runs faster. */
  readonly throughput: boolean
}

const toStderr: Say = (line) => process.stderr.write(`sluice: ${line}\n`)

/** Starts Kafka, the registry and Redis on free ports. Throws SetupError with a remedy when one does not come up. */
export async function startStack(options: Partial<StackOptions> = {}): Promise<Stack> {
  const full = { say: toStderr, throughput: false, ...options }
  return (await engineAnswers()) ? composeStack(full) : localStack(full)
}

/** The addresses as the environment variables that sluice.yaml and the tests read. */
export function stackEnv(stack: Pick<Stack, 'kafka' | 'registry' | 'redis'>): Record<string, string> {
  const env = { SLUICE_KAFKA: stack.kafka, SLUICE_REGISTRY: stack.registry }
  return stack.redis === undefined ? env : { ...env, SLUICE_REDIS: stack.redis }
}
