// Where events go. Emitting never throws and never waits.
import type { EventFields, EventName } from '../core/events.ts'

export type Emit = (name: EventName, fields: EventFields) => void

export const silent: Emit = () => {}
