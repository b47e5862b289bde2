// The house's rules that types and the linter cannot see: who may import whom, one vendor in one place, no dead exports.
// Reads sources as text. Must never be worked around: an exception is a row of a table below, with its reason.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Which layers a layer may import, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ports: ['core'],
  engine: ['core', 'ports'],
  tiers: ['core', 'ports'],
  adapters: ['core', 'ports'],
  learn: ['core', 'ports'],
  roles: ['core', 'ports', 'engine', 'tiers', 'adapters', 'learn'],
  cli: ['core', 'ports', 'engine', 'tiers', 'adapters', 'learn', 'roles'],
}

/** A package is imported in one adapter folder only. */
const PACKAGE_EXCEPTIONS: readonly { readonly name: string; readonly folder: string; readonly reason: string }[] = [
  {
    name: 'lru-cache',
    folder: 'src/adapters/registry',
    reason: 'a bounded map of schemas by id: a data structure there, not the cache of answers',
  },
  {
    name: 'zod',
    folder: 'src/adapters/files',
    reason: 'manifest.json of a model folder comes from outside and is checked where it is read',
  },
]

const ROLE_LINES_MAX = 80

interface Import {
  readonly file: string
  readonly specifier: string
  /** The file it names, for relative specifiers. */
  readonly target: string | undefined
  readonly names: readonly string[] | 'all'
}

const src = filesUnder('src')
const others = ['scripts', 'bench', 'test'].flatMap(filesUnder)
const texts = new Map([...src, ...others].map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]))
const importsOf = new Map([...texts].map(([file, text]) => [file, parseImports(file, text)]))
const srcImports = src.flatMap((file) => importsOf.get(file)!)

describe('the layers', () => {
  test('core ← ports ← {engine, tiers, adapters, learn} ← roles ← cli; siblings never import each other', () => {
    const wrong = srcImports.filter(({ file, target }) => {
      if (target === undefined) return false
      const from = layerOf(file)
      const to = layerOf(target)
      return from !== to && !(MAY_IMPORT[from] ?? []).includes(to)
    })
    nothing(wrong.map(said))
  })

  test('every file of src is in a known layer', () => {
    nothing(src.filter((file) => !Object.hasOwn(MAY_IMPORT, layerOf(file))))
  })

  test('core imports only core: no package, no node module', () => {
    nothing(srcImports.filter(({ file, target }) => layerOf(file) === 'core' && target === undefined).map(said))
  })

  test('vendor folders never import each other; files right under adapters/ are shared and import none of them', () => {
    const wrong = srcImports.filter(({ file, target }) => {
      if (target === undefined || layerOf(file) !== 'adapters' || layerOf(target) !== 'adapters') return false
      const to = vendorOf(target)
      return to !== undefined && to !== vendorOf(file)
    })
    nothing(wrong.map(said))
  })

  test('a third-party package is imported in one adapter folder only, types included', () => {
    const folders = new Map<string, Set<string>>()
    const outside: string[] = []
    for (const found of srcImports) {
      const name = packageOf(found)
      if (name === undefined) continue
      const folder = dirname(found.file)
      if (PACKAGE_EXCEPTIONS.some((exception) => exception.name === name && exception.folder === folder)) continue
      const vendor = vendorOf(found.file)
      if (vendor === undefined) outside.push(`${said(found)} (packages belong in src/adapters/<vendor>/)`)
      else folders.set(name, (folders.get(name) ?? new Set()).add(vendor))
    }
    const shared = [...folders].filter(([, used]) => used.size > 1)
    nothing([...outside, ...shared.map(([name, used]) => `${name} is imported in ${[...used].join(' and ')}`)])
  })

  test('every exception for a package is still needed', () => {
    const needed = (name: string, folder: string) =>
      srcImports.some((found) => packageOf(found) === name && dirname(found.file) === folder)
    nothing(PACKAGE_EXCEPTIONS.filter(({ name, folder }) => !needed(name, folder)).map(({ name }) => name))
  })
})

describe('the files', () => {
  test(`a role is wiring only: ${ROLE_LINES_MAX} lines at most`, () => {
    const long = src.filter((file) => layerOf(file) === 'roles' && lines(texts.get(file)!) > ROLE_LINES_MAX)
    nothing(long.map((file) => `${file}: ${lines(texts.get(file)!)} lines`))
  })

  test('every file of src opens with a comment that says what it is for', () => {
    nothing(src.filter((file) => !/^(#!.*\n)?\/[/*]/.test(texts.get(file)!)))
  })

  test('only cli/ prints', () => {
    const printing = src.filter((file) => layerOf(file) !== 'cli' && /\bconsole\.\w/.test(code(texts.get(file)!)))
    nothing(printing)
  })

  test('every export of src is imported somewhere in src, scripts, bench or test, or is a type of its own file', () => {
    const used = new Set<string>()
    for (const { target, names } of [...importsOf.values()].flat()) {
      if (target === undefined) continue
      if (names === 'all') used.add(`${target}#*`)
      else for (const name of names) used.add(`${target}#${name}`)
    }
    const dead = src.flatMap((file) =>
      exportsOf(texts.get(file)!)
        .filter((name) => !used.has(`${file}#${name}`) && !used.has(`${file}#*`) && !isTypeOfOwnFile(file, name))
        .map((name) => `${file}: ${name}`),
    )
    nothing(dead)
  })
})

function nothing(found: readonly string[]): void {
  assert.deepEqual(found, [], `\n  ${found.join('\n  ')}\n`)
}

function said({ file, specifier }: Import): string {
  return `${file} imports ${specifier}`
}

function layerOf(file: string): string {
  return file.split('/')[1] ?? ''
}

/** The folder under src/adapters; undefined for the shared files right under it and for other layers. */
function vendorOf(file: string): string | undefined {
  const [, layer, vendor, ...rest] = file.split('/')
  return layer === 'adapters' && rest.length > 0 ? vendor : undefined
}

function packageOf({ specifier, target }: Import): string | undefined {
  if (target !== undefined || specifier.startsWith('node:') || builtinModules.includes(specifier)) return undefined
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function filesUnder(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && /\.(ts|mts|mjs)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
}

/** Sources without comments; strings are kept. Good enough for formatted code without regular expressions like `//`. */
function code(text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, '').replace(/(^|[\s;{}(,])\/\/.*$/gm, '$1')
}

function parseImports(file: string, text: string): Import[] {
  const found: Import[] = []
  const add = (specifier: string, names: Import['names']) => {
    const target = specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : undefined
    found.push({ file, specifier, target, names })
  }
  const source = code(text)
  // import x, { a, type b as c } from '…' · import * as n from '…' · export { a } from '…' · export * from '…'
  for (const [, what, , specifier] of source.matchAll(
    /^(?:import|export)\s+((?:type\s+)?[\w$\s{},*]+?)\s*from\s*(['"])([^'"]+)\2/gm,
  ))
    add(specifier!, what!.includes('*') ? 'all' : namesIn(what!))
  for (const [, , specifier] of source.matchAll(/^import\s*(['"])([^'"]+)\1/gm)) add(specifier!, [])
  // import('…') as a value or in a type; new URL('…', import.meta.url) starts workers.
  for (const [, , specifier] of source.matchAll(/\bimport\s*\(\s*(['"])([^'"]+)\1/g)) add(specifier!, 'all')
  for (const [, , specifier] of source.matchAll(/new URL\(\s*(['"])(\.[^'"]+\.ts)\1\s*,\s*import\.meta\.url/g))
    add(specifier!, 'all')
  return found
}

function namesIn(clause: string): string[] {
  const braced = /\{([^}]*)\}/.exec(clause)?.[1] ?? ''
  const names = braced
    .split(',')
    .map(
      (part) =>
        part
          .trim()
          .replace(/^type\s+/, '')
          .split(/\s+as\s+/)[0]!,
    )
    .filter((name) => name !== '')
  const isDefault = /^(?:type\s+)?[\w$]+/.exec(clause.replace(/\{[^}]*\}/, '').trim())
  return isDefault && !/^type$/.test(isDefault[0]) ? [...names, 'default'] : names
}

function exportsOf(text: string): string[] {
  const source = code(text)
  const declared = source.matchAll(
    /^export\s+(?:declare\s+)?(?:async\s+)?(?:abstract\s+)?(?:const|let|function\*?|class|interface|type)\s+([\w$]+)/gm,
  )
  const listed = [...source.matchAll(/^export\s+(?:type\s+)?\{([^}]*)\}/gm)].flatMap(([, list]) =>
    list!.split(',').map((part) =>
      part
        .trim()
        .replace(/^type\s+/, '')
        .split(/\s+as\s+/)
        .at(-1)!,
    ),
  )
  const byDefault = /^export\s+default\b/m.test(source) ? ['default'] : []
  return [...[...declared].map(([, name]) => name!), ...listed.filter((name) => name !== ''), ...byDefault]
}

/** A type that describes what another declaration of its file takes or gives: exported so that it can be named. */
function isTypeOfOwnFile(file: string, name: string): boolean {
  const source = code(texts.get(file)!)
  const mentions = source.match(new RegExp(`\\b${name.replaceAll('$', '\\$')}\\b`, 'g'))?.length ?? 0
  return mentions > 1 && new RegExp(`^export (?:interface|type) ${name.replaceAll('$', '\\$')}\\b`, 'm').test(source)
}

function lines(text: string): number {
  return text.trimEnd().split('\n').length
}
