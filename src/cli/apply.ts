// What `topics apply` and `schemas apply` share: their command line, the plan on the screen, the broker's settings.
import { brokersOf } from '../adapters/config/load.ts'
import { SluiceError } from '../core/error.ts'
import type { Deployment } from '../adapters/config/load.ts'
import type { Config } from '../adapters/config/schema.ts'
import type { KafkaSettings } from '../adapters/kafka/client.ts'
import { load, parse } from './command.ts'

export interface ApplyOptions {
  readonly dryRun: boolean
  readonly json: boolean
  readonly quiet?: boolean
}

interface PlanLine {
  readonly kind: string
  readonly name: string
  readonly says: string
}

const SIGN: Readonly<Record<string, string>> = { create: '+', register: '+', configure: '~', keep: ' ', refuse: '!' }

/** The `run` of a verb whose one word is `apply`. */
export function applyVerb(
  verb: 'topics' | 'schemas',
  help: string,
  apply: (deployment: Deployment, options: ApplyOptions) => Promise<number>,
): (args: string[]) => Promise<number> {
  return async (args) => {
    const { values, positionals } = parse(args, { 'dry-run': { type: 'boolean', default: false } }, 1)
    if (values.help) {
      process.stdout.write(help)
      return 0
    }
    if (positionals[0] !== 'apply')
      throw new SluiceError('SL104', `what shall be done with the ${verb}? \`sluice ${verb} apply\``)
    return apply(await load(values.config), { dryRun: values['dry-run'], json: values.json })
  }
}

/** Prints the plan and carries it out, each where the options say so; 1 where something is refused. */
export async function carryOut(
  plan: readonly PlanLine[],
  { dryRun, json, quiet = false }: ApplyOptions,
  apply: () => Promise<void>,
): Promise<number> {
  if (!quiet) printPlan(plan, json)
  if (!dryRun) await apply()
  return plan.some(({ kind }) => kind === 'refuse') ? 1 : 0
}

function printPlan(lines: readonly PlanLine[], json: boolean): void {
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
