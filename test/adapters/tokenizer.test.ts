// Ids are those that Python's `tokenizers` 0.23.3 gave for the same tokenizer.json.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openTokenizer } from '../../src/adapters/onnx/tokenizer.ts'
import { TOKENIZER } from '../support/encoder.ts'

const bytes = (value: object) => new TextEncoder().encode(JSON.stringify(value))

const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }
const marks = ['<s>', '<pad>', '</s>', '<unk>']
/** A Unigram vocabulary in the way of XLM-RoBERTa's. */
const UNIGRAM = {
  ...TOKENIZER,
  added_tokens: TOKENIZER.added_tokens.map((token, id) => ({ ...token, content: marks[id] })),
  normalizer: {
    type: 'Sequence',
    normalizers: [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }],
  },
  pre_tokenizer: metaspace,
  post_processor: {
    type: 'TemplateProcessing',
    single: [
      { SpecialToken: { id: '<s>', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '</s>', type_id: 0 } },
    ],
    pair: [],
    special_tokens: {
      '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] },
      '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] },
    },
  },
  decoder: metaspace,
  model: {
    type: 'Unigram',
    unk_id: 3,
    byte_fallback: false,
    vocab: [
      ...marks.map((mark) => [mark, 0]),
      ...Object.entries({
        '▁': -3,
        '▁crema': -5,
        cre: -4.5,
        ma: -4.2,
        '▁de': -3.5,
        de: -4,
        '▁manos': -7,
        man: -5,
        os: -4.6,
      }),
      ...Object.entries({ a: -5.5, c: -6, e: -5.6, m: -6.2, n: -6, o: -5.9, r: -6, s: -5.8, é: -7, 日本: -8, 日: -9 }),
    ],
  },
}

const CASES: Readonly<Record<string, { tokenizer: object; ids: Readonly<Record<string, readonly number[]>> }>> = {
  WordPiece: {
    tokenizer: TOKENIZER,
    ids: {
      'Green TEA bags': [2, 4, 5, 8, 3],
      café: [2, 50, 47, 56, 54, 3],
      'Ｅ27 bulb': [2, 1, 26, 3],
      '日本 tea': [2, 118, 119, 5, 3],
      'tea🎁bags': [2, 1, 3],
      'a\u0000b\u0007c': [2, 46, 49, 51, 3],
      'x-ray, blue!': [2, 91, 1, 79, 47, 94, 1, 40, 1, 3],
      '': [2, 3],
      'tea\u200bbags': [2, 5, 49, 47, 58, 82, 3],
      ÉCLAIR: [2, 27, 51, 68, 47, 62, 80, 3],
      'zzz unknown😀word': [2, 95, 96, 96, 1, 3],
    },
  },
  Unigram: {
    tokenizer: UNIGRAM,
    ids: {
      'crema de manos': [0, 5, 8, 10, 2],
      cremas: [0, 5, 20, 2],
      'crema  de   manos': [0, 5, 8, 10, 2],
      '日本 crema': [0, 4, 22, 5, 2],
      'é manos😀': [0, 4, 21, 10, 3, 2],
      '': [0, 2],
      ｃrema: [0, 5, 2],
      日日本: [0, 4, 23, 22, 2],
    },
  },
}

for (const [kind, { tokenizer, ids }] of Object.entries(CASES))
  describe(`a ${kind} tokenizer.json`, () => {
    const tokenize = openTokenizer(bytes(tokenizer), 64)
    for (const [text, wanted] of Object.entries(ids))
      it(`gives Python's ids for ${JSON.stringify(text)}`, () => assert.deepEqual([...tokenize(text)], wanted))
  })

describe('cutting', () => {
  it('keeps the marks at both ends', () => {
    const tokenize = openTokenizer(bytes(TOKENIZER), 4)
    assert.deepEqual([...tokenize('green tea bags')], [2, 4, 5, 3])
    assert.deepEqual([...tokenize('green')], [2, 4, 3])
  })
})
