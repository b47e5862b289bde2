// The codec port: bytes of a topic ⇄ values. One per process; knows each topic's format (avro or json).
import type { Reason } from '../core/outcome.ts'

export interface TopicFormat {
  /** Name on the broker. */
  readonly topic: string
  readonly format: 'avro' | 'json'
  /** The schema we write with (parsed .avsc); absent for topics that are only read. */
  readonly writes?: object
}

export type Decoded =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: Reason; readonly detail: string }

export interface Codec {
  /**
   * Decodes many values of one topic; never throws for a bad value.
   * Rejects with a SluiceError (SL3xx) when a schema is needed and the registry cannot be asked.
   */
  decode(topic: string, values: readonly (Buffer | null)[]): Promise<readonly Decoded[]>
  /** Encodes many values for one topic of our own. */
  encode(topic: string, values: readonly object[]): Promise<readonly Buffer[]>
}
