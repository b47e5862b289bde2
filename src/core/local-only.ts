// Tenants whose text must never leave: it goes into no prompt, and into no store that other machines read. Where the task
// says who they are, an item of which nobody noted the tenant is treated as one of theirs.
import { normalise } from './text/normalise.ts'
import type { Item } from './item.ts'
import type { Task } from './task.ts'
import type { Template } from './template.ts'

export interface LocalOnly {
  /** Names the tenant of an item; empty: it has none, and may be asked about. */
  readonly tenant: Template
  /** In one spelling. */
  readonly tenants: ReadonlySet<string>
}

/** Throws SyntaxError for a name of which nothing is left in that spelling. */
export function localOnly(tenant: Template, names: readonly string[]): LocalOnly {
  const tenants = new Set(names.map(normalise))
  if (tenants.has('')) throw new SyntaxError('a tenant has no name')
  return { tenant, tenants }
}

export function mustStay({ localOnly }: Pick<Task, 'localOnly'>, { tenant }: Pick<Item, 'tenant'>): boolean {
  if (localOnly === undefined) return false
  return tenant === undefined || localOnly.tenants.has(normalise(tenant))
}
