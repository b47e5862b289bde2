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
