// Where events go. Emitting never throws and never waits.
import type { EventName, FieldsOf } from '../core/events.ts'

export type Emit = <Name extends EventName>(name: Name, fields: FieldsOf<Name>) => void

export const silent: Emit = () => {}
