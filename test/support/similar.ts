// Settings of the similar tier for tests: everything counts, nothing is audited unless a test asks for it.
import type { Similar } from '../../src/core/task.ts'

export const SIMILAR: Similar = {
  threshold: 0.8,
  compare: 'together',
  vetoes: [],
  audit_share: 0,
  false_hits_max: 0.1,
  local_min: 0.98,
  entries_max: 1_000,
  bytes_max: 10_000_000,
}
