// The roles by name. `tasks` are those asked for; `all` those of the configuration.
import type { TaskFile } from '../adapters/config/tasks.ts'
import { classifyRole } from './classify.ts'
import { fallbackRole } from './fallback.ts'
import type { Role, Runtime } from './runtime.ts'

type OpenRole = (runtime: Runtime, tasks: readonly TaskFile[], all: readonly TaskFile[]) => Promise<Role>

export const ROLES: Readonly<Record<string, OpenRole>> = {
  classify: classifyRole,
  // One topic and one group for all tasks: an item of a task left out would have nobody to answer it.
  fallback: async (runtime, _tasks, all) => fallbackRole(runtime, all),
}
