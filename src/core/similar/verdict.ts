// Whether the texts most similar to one give it an answer. Doubt is a pass: the next tier is asked.
import { clash } from './clash.ts'
import type { Fact } from './clash.ts'
import type { Neighbour } from './neighbours.ts'
import type { Signature } from './signature.ts'

/** Neighbours that must agree, at most: the nearest ones. */
const WITNESSES_MAX = 8

/** Why a text with neighbours has no answer. */
export type Doubt = 'clash' | 'disagreement'

export type Verdict<T> =
  | { readonly kind: 'hit'; readonly value: T; readonly similarity: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'doubt'; readonly why: Doubt }

/** `near`: most similar first. The nearest that states the same facts answers, where all such near ones answer alike. */
export function verdict<T>(
  asked: Signature,
  near: readonly Neighbour<T>[],
  vetoes: readonly Fact[],
  sameAnswer: (a: T, b: T) => boolean,
): Verdict<T> {
  const nearest = near[0]
  if (nearest === undefined) return { kind: 'none' }
  const witnesses = near
    .filter(({ signature }) => vetoes.length === 0 || clash(asked.facts(), signature.facts(), vetoes) === undefined)
    .slice(0, WITNESSES_MAX)
  const best = witnesses[0]
  if (best === undefined) return { kind: 'doubt', why: 'clash' }
  if (!witnesses.every(({ value }) => sameAnswer(value, best.value))) return { kind: 'doubt', why: 'disagreement' }
  return { kind: 'hit', value: best.value, similarity: best.similarity }
}
