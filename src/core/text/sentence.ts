// What an encoder reads of an item: its segments as one text, in their order. Pure.
import { normalise } from './normalise.ts'

/** Segments normalised and joined by a space; empty ones leave nothing. */
export function sentence(segments: readonly string[]): string {
  return segments
    .map(normalise)
    .filter((text) => text !== '')
    .join(' ')
}
