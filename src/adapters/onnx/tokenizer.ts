// A tokenizer.json as the transformers beside it want it: texts → token ids, cut to a length that keeps the marks at
// both ends. Knows nothing of padding or batches.
import { Tokenizer } from '@huggingface/tokenizers'
import { SluiceError } from '../../core/error.ts'

export interface Tokenize {
  /** Ids of one text, marks ([CLS] … [SEP] or <s> … </s>) included, `tokensMax` of them at most. */
  (text: string): Int32Array
}

/** Throws SluiceError SL501 where the bytes are no tokenizer.json. `file` is named in the message. */
export function openTokenizer(json: Uint8Array, tokensMax: number, file = 'tokenizer.json'): Tokenize {
  const tokenizer = parsed(json, file)
  const marks = marksOf(tokenizer)
  const room = tokensMax - marks.before.length - marks.after.length
  if (room < 1) throw new SluiceError('SL501', `${file}: ${tokensMax} tokens leave no room for a text`)
  return (text) => {
    const ids = contentOf(tokenizer, text)
    return Int32Array.from([...marks.before, ...ids.slice(0, room), ...marks.after])
  }
}

/** A pair as a cross-encoder reads it; `second` is where tokens of type 1 begin, the length where there are none. */
export interface TokenPair {
  readonly ids: Int32Array
  readonly second: number
}

/**
 * Ids of two texts with the marks around and between them, `tokensMax` of them at most: a text longer than its half is
 * cut to what the other leaves. Without a second text, those of one. Throws SluiceError SL501 like openTokenizer.
 */
export function openPairTokenizer(
  json: Uint8Array,
  tokensMax: number,
  file = 'tokenizer.json',
): (first: string, second?: string) => TokenPair {
  const tokenizer = parsed(json, file)
  const single = marksOf(tokenizer)
  const marks = pairMarksOf(tokenizer)
  const room = tokensMax - marks.before.length - marks.between.length - marks.after.length
  if (room < 2) throw new SluiceError('SL501', `${file}: ${tokensMax} tokens leave no room for two texts`)
  return (first, second) => {
    const a = contentOf(tokenizer, first)
    if (second === undefined) {
      const content = a.slice(0, tokensMax - single.before.length - single.after.length)
      const ids = Int32Array.from([...single.before, ...content, ...single.after])
      return { ids, second: ids.length }
    }
    const b = contentOf(tokenizer, second)
    const half = room >> 1
    const head = a.slice(0, Math.max(room - b.length, half))
    const tail = b.slice(0, room - head.length)
    const ids = Int32Array.from([...marks.before, ...head, ...marks.between, ...tail, ...marks.after])
    const begin = marks.before.length + head.length + marks.between.length
    return { ids, second: marks.typed ? begin : ids.length }
  }
}

function parsed(json: Uint8Array, file: string): Tokenizer {
  try {
    const description = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json)) as object
    const tokenizer = new Tokenizer(description, {})
    contentOf(tokenizer, PROBE)
    return tokenizer
  } catch (error) {
    throw new SluiceError('SL501', `${file}: no tokenizer that can be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

const PROBE = 'a'

function contentOf(tokenizer: Tokenizer, text: string): number[] {
  return tokenizer.encode(text, { add_special_tokens: false }).ids
}

/** What the tokenizer puts around any text, seen by asking it for one with and without. */
function marksOf(tokenizer: Tokenizer): { readonly before: number[]; readonly after: number[] } {
  const content = contentOf(tokenizer, PROBE)
  const whole: number[] = tokenizer.encode(PROBE).ids
  const at = whole.findIndex((_, from) => content.every((id, offset) => whole[from + offset] === id))
  return { before: whole.slice(0, Math.max(at, 0)), after: whole.slice(Math.max(at, 0) + content.length) }
}

interface PairMarks {
  readonly before: number[]
  readonly between: number[]
  readonly after: number[]
  /** Whether the second text has a type of its own. */
  readonly typed: boolean
}

function pairMarksOf(tokenizer: Tokenizer): PairMarks {
  const content = contentOf(tokenizer, PROBE)
  const { ids, token_type_ids: types } = tokenizer.encode(PROBE, { text_pair: PROBE, return_token_type_ids: true })
  const at = (from: number) =>
    ids.findIndex(
      (_: number, start: number) => start >= from && content.every((id, offset) => ids[start + offset] === id),
    )
  const first = at(0)
  const second = at(first + content.length)
  return {
    before: ids.slice(0, first),
    between: ids.slice(first + content.length, second),
    after: ids.slice(second + content.length),
    typed: types?.[second] === 1,
  }
}
