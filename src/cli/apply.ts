// What `topics apply` and `schemas apply` share: the broker's settings and the plan on the screen.
import { brokersOf } from '../adapters/config/load.ts'
import type { Config } from '../adapters/config/schema.ts'
import type { KafkaSettings } from '../adapters/kafka/client.ts'

export interface PlanLine {
  readonly kind: string
  readonly name: string
  readonly says: string
}

const SIGN: Readonly<Record<string, string>> = { create: '+', register: '+', configure: '~', keep: ' ', refuse: '!' }

export function printPlan(lines: readonly PlanLine[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ plan: lines })}\n`)
    return
  }
  const width = Math.max(...lines.map(({ name }) => name.length))
  for (const { kind, name, says } of lines)
    process.stdout.write(`${SIGN[kind] ?? '?'} ${kind.padEnd(9)} ${name.padEnd(width)}  ${says}\n`)
}

export function kafkaSettings(config: Config): KafkaSettings {
  return { ...config.kafka, brokers: brokersOf(config) }
}
