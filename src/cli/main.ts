#!/usr/bin/env node
// `sluice VERB …`: finds the verb and runs it. Each verb is a file beside this one.
import { closest } from '../core/closest.ts'
import { report } from './command.ts'

interface Verb {
  readonly says: string
  readonly load: () => Promise<{ run: (args: string[]) => Promise<number> }>
}

const VERBS: Readonly<Record<string, Verb>> = {
  demo: { says: 'stream the example events through everything and show what happens', load: () => import('./demo.ts') },
  run: { says: 'run roles: classify, fallback', load: () => import('./run.ts') },
  lint: { says: 'check the configuration and everything it names', load: () => import('./lint.ts') },
  topics: { says: 'topics apply: create and check the topics', load: () => import('./topics.ts') },
  schemas: { says: 'schemas apply: register and check the schemas', load: () => import('./schemas.ts') },
  prompt: { says: 'print what the LLM would be asked, and its tokens', load: () => import('./prompt.ts') },
  produce: { says: 'send events from a JSONL file to a topic', load: () => import('./produce.ts') },
  train: { says: 'train a local model from labelled rows', load: () => import('./train.ts') },
  cost: { says: 'what the LLM has cost, and what it would have cost without', load: () => import('./cost.ts') },
  models: { says: 'models pull|list: fetch the encoders that models can stand on', load: () => import('./models.ts') },
  clean: { says: 'find labels that are wrong, replace or drop them, and say why', load: () => import('./clean.ts') },
  evaluate: { says: 'measure a model on labelled rows', load: () => import('./evaluate.ts') },
  calibrate: {
    says: 'thresholds that keep a promise, certified on labelled rows',
    load: () => import('./calibrate.ts'),
  },
  batch: {
    says: 'label many items by the provider’s Batch API, cheaper, within a day',
    load: () => import('./batch.ts'),
  },
  explain: { says: 'the whole way of an item: tiers, gate, prompt, cost', load: () => import('./explain.ts') },
  benchmark: {
    says: 'local models and LLMs on one sample: accuracy, latency, cost',
    load: () => import('./benchmark.ts'),
  },
}

function usage(): string {
  const verbs = Object.entries(VERBS).map(([name, { says }]) => `  ${name.padEnd(10)} ${says}`)
  return `usage: sluice VERB [options]\n\n${verbs.join('\n')}\n\nEvery verb takes --config FILE, --json and --help.\nExit codes: 0 good, 1 a check failed, 2 wrong usage or configuration.\n`
}

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h') {
    process.stdout.write(usage())
    return name === undefined ? 2 : 0
  }
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (!verb) {
    const near = closest(name, Object.keys(VERBS))
    process.stderr.write(`sluice: no verb "${name}"${near ? ` (did you mean "${near}"?)` : ''}\n\n${usage()}`)
    return 2
  }
  try {
    const { run } = await verb.load()
    return await run(rest)
  } catch (error) {
    return report(error, rest.includes('--json'))
  }
}

process.exitCode = await main(process.argv.slice(2))
