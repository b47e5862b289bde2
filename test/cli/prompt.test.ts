// `sluice prompt` as people meet it, and the counting of tokens. Nothing is fetched; no servers.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../../src/cli/prompt.ts'
import { openCounter } from '../../src/cli/tokenizers.ts'
import { estimateTokens } from '../../src/core/llm/tokens.ts'
import { SluiceError } from '../../src/core/error.ts'
import { TOKENIZER } from '../support/encoder.ts'

const CONFIG = fileURLToPath(new URL('../../sluice.yaml', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'sluice-prompt-'))
after(() => rmSync(dir, { recursive: true }))
const tokenizer = join(dir, 'tokenizer.json')
writeFileSync(tokenizer, JSON.stringify(TOKENIZER))

async function printed(...args: string[]) {
  let out = ''
  const code = await run([...args, '--config', CONFIG], (text) => void (out += text))
  return { code, out }
}

const pair = (title: string) => JSON.stringify({ query: 'rice', title, description: '' })

describe('sluice prompt', () => {
  test('prints each part of the request with its tokens, redacted, items last', async () => {
    const { code, out } = await printed('--task', 'relevance', '--item', pair('Rice 5 kg, call 0301234567'))
    assert.equal(code, 0)
    assert.match(out, /--- system \(about \d+ tokens\)\nYou classify items\./)
    assert.match(out, /\{"id":"1","query":"rice","title":"Rice 5 kg, call \[phone\]"\}\nEND ITEMS [0-9a-f]{16}\n/)
    assert.match(out, /json_schema, strict/)
    assert.match(out, /estimated; --tokenizer counts/)
  })

  test('an event of the topic gives the same request as its texts do, and items share calls', async () => {
    const event = {
      id: 'q1',
      query: 'rice',
      candidates: ['Rice', 'Bowl'].map((title, at) => ({ id: `c${at}`, title })),
    }
    const requests = async (...items: string[]) => {
      const { out } = await printed('--task', 'relevance', '--json', ...items.flatMap((item) => ['--item', item]))
      return (JSON.parse(out) as { requests: { items: number; user: string }[] }).requests
    }
    const [asEvent, asTexts] = [await requests(JSON.stringify(event)), await requests(pair('Rice'), pair('Bowl'))]
    assert.deepEqual(
      asEvent.map(({ items }) => items),
      [2],
    )
    assert.deepEqual(asEvent, asTexts)
  })

  test('counts with a tokenizer.json', async () => {
    const { out } = await printed('--task', 'relevance', '--item', pair('Rice'), '--tokenizer', tokenizer, '--json')
    const count = await openCounter(tokenizer)
    const [request] = (JSON.parse(out) as { requests: { user: string; tokens: Record<string, number> }[] }).requests
    assert.equal(request!.tokens['user'], count(request!.user))
    assert.notEqual(count(request!.user), estimateTokens(request!.user))
  })

  for (const [args, says] of [
    [['--task', 'relevance'], /needs --task NAME and --item JSON/],
    [['--task', 'relevanc', '--item', '{}'], /no task "relevanc"/],
    [['--task', 'relevance', '--item', '{'], /no JSON/],
    [['--task', 'relevance', '--item', '3'], /a JSON object is wanted/],
    [['--task', 'relevance', '--item', '{"name":"x"}'], /its segments are query, title, description/],
    [['--task', 'relevance', '--item', pair('x'), '--tokenizer', 'gpt'], /no such file; by name there is deepseek/],
  ] as const)
    test(`${args.join(' ')} is refused`, async () => {
      await assert.rejects(run([...args, '--config', CONFIG]), (error) => {
        assert.ok(error instanceof SluiceError && error.code === 'SL104')
        assert.match(error.message, says)
        return true
      })
    })
})
