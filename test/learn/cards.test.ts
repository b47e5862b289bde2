// The cards of the models that come with the project, against the files beside them.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Manifest } from '../../src/ports/manifest.ts'

const MODELS = fileURLToPath(new URL('../../models', import.meta.url))

for (const task of readdirSync(MODELS).filter((name) => existsSync(join(MODELS, name, 'champion')))) {
  const folder = join(MODELS, task, 'champion')
  const card = readFileSync(join(folder, 'card.md'), 'utf8')
  const { data } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest

  describe(`the card of ${task}`, () => {
    it('names the data of the manifest, by name, rows and digest', () => {
      for (const { file, rows, sha256 } of data)
        assert.ok(
          card
            .split('\n')
            .some((line) => [`- ${file}: ${rows} rows`, sha256.slice(0, 16)].every((it) => line.includes(it))),
          file,
        )
    })

    it('holds the one command that makes the model anew, of the same files, and prints its figures', () => {
      const command = /^ {4}(sluice train .*)$/m.exec(card)?.[1] ?? ''
      const named = [...command.matchAll(/--data (\S+)/g)].map(([, file]) => basename(file!))
      assert.deepEqual(
        named,
        data.map(({ file }) => file),
      )
      assert.match(command, new RegExp(`--out models/${task}/champion --seed \\d+ --json$`))
    })

    it('links to files that are there', () => {
      for (const [, file] of card.matchAll(/\]\(([^):]+)\)/g)) assert.ok(existsSync(join(folder, file!)), file)
    })
  })
}
