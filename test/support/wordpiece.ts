// Tokenizers of the BERT kind, as a tokenizer.json describes them.

const MARKS = ['[PAD]', '[CLS]', '[SEP]', '[UNK]']

/** Over these words: [PAD] 0, [CLS] 1, [SEP] 2, [UNK] 3, then the words from 4 on. */
export function wordPiece(words: readonly string[]): Uint8Array {
  const vocab = Object.fromEntries([...MARKS, ...words].map((word, id) => [word, id]))
  return new TextEncoder().encode(JSON.stringify(bertTokenizer(vocab)))
}

/** Ids by piece, the marks [PAD], [CLS], [SEP] and [UNK] among them. */
export function bertTokenizer(vocab: Readonly<Record<string, number>>) {
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } })
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } })
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: MARKS.toSorted((a, b) => vocab[a]! - vocab[b]!).map((content) => ({
      id: vocab[content]!,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]', 0), text('A', 0), special('[SEP]', 0)],
      pair: [special('[CLS]', 0), text('A', 0), special('[SEP]', 0), text('B', 1), special('[SEP]', 1)],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((mark) => [mark, { id: mark, ids: [vocab[mark]!], tokens: [mark] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  }
}
