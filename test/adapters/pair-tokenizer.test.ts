import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openPairTokenizer } from '../../src/adapters/onnx/tokenizer.ts'
import { SluiceError } from '../../src/core/error.ts'
import { wordPiece } from '../support/wordpiece.ts'

const json = wordPiece(['red', 'hat', 'green', 'bag', 'new'])

describe('a pair of texts as a cross-encoder reads it', () => {
  const cases: { texts: [string, string?]; tokensMax: number; ids: number[]; second: number; says: string }[] = [
    {
      texts: ['Red hat', 'green bag'],
      tokensMax: 16,
      ids: [1, 4, 5, 2, 6, 7, 2],
      second: 4,
      says: 'has marks around and between',
    },
    { texts: ['red hat'], tokensMax: 16, ids: [1, 4, 5, 2], second: 4, says: 'is one text where there is no second' },
    { texts: ['red', ''], tokensMax: 16, ids: [1, 4, 2, 2], second: 3, says: 'may have an empty half' },
    {
      texts: ['red hat new bag', 'green bag new hat'],
      tokensMax: 7,
      ids: [1, 4, 5, 2, 6, 7, 2],
      second: 4,
      says: 'is cut in both halves',
    },
    {
      texts: ['red', 'green bag new hat'],
      tokensMax: 7,
      ids: [1, 4, 2, 6, 7, 8, 2],
      second: 3,
      says: 'leaves the longer what the shorter does not need',
    },
    {
      texts: ['red hat new bag', 'green'],
      tokensMax: 7,
      ids: [1, 4, 5, 8, 2, 6, 2],
      second: 5,
      says: 'leaves it to the first as well',
    },
    {
      texts: ['red hat new bag'],
      tokensMax: 5,
      ids: [1, 4, 5, 8, 2],
      second: 5,
      says: 'keeps the closing mark of a cut text',
    },
  ]
  for (const { texts, tokensMax, ids, second, says } of cases)
    it(says, () => {
      const tokens = openPairTokenizer(json, tokensMax)(...texts)
      assert.deepEqual({ ids: [...tokens.ids], second: tokens.second }, { ids, second })
    })

  it('is refused where the length leaves no room for two texts', () => {
    assert.throws(() => openPairTokenizer(json, 4), SluiceError)
  })
})
