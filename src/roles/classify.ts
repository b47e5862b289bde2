// The classify role: every task's input topic → its cascade → results, fallback, dead letters. Wiring only.
import type { TaskFile } from '../adapters/config/tasks.ts'
import { createClassifyHandler } from '../engine/classify.ts'
import { createOutcomeWriter } from '../engine/outcomes.ts'
import { allOf } from '../engine/all-of.ts'
import { exactTier, textHash } from '../tiers/exact.ts'
import { localTier } from '../tiers/local.ts'
import { rememberIn } from './similar.ts'
import { openLocalModel } from './local-model.ts'
import type { Role, Runtime } from './runtime.ts'

export async function classifyRole(runtime: Runtime, tasks: readonly TaskFile[]): Promise<Role> {
  return allOf(await Promise.all(tasks.map((file) => classifyTask(runtime, file))))
}

async function classifyTask(runtime: Runtime, file: TaskFile): Promise<Role> {
  const { config, codec, clock, emit, asserted, estimated } = runtime
  const local = await openLocalModel(runtime, file)
  const task = { ...file.task, gate: local?.gate ?? file.task.gate }
  const exact = exactTier({ task, asserted, estimated, localDigest: () => local?.digest, emit })
  const similar = runtime.similar(task)
  const stream = runtime.stream(
    task.name,
    `${config.kafka.group_prefix}.classify.${task.name}`,
    runtime.topicName(task.topic),
    config.kafka.batch_records_max,
  )
  const { shortlist } = config.local
  const handler = createClassifyHandler({
    task,
    codec,
    clock,
    emit,
    hash: textHash,
    limits: config.limits,
    tiers: {
      exact,
      ...(similar ? { similar } : {}),
      ...(local
        ? { local: localTier({ task: task.name, model: local.model, digest: local.digest, shortlist, emit }) }
        : {}),
    },
    writer: createOutcomeWriter(task, runtime.outcomeTopics, codec, config.local),
    remember: rememberIn(exact, similar),
  })
  return {
    run: () => stream.run(handler).finally(() => local?.model.close()),
    drain: () => stream.drain(),
  }
}
