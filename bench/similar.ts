// The similarity cache beside PostgreSQL's pg_trgm (GIN index, % operator): the same texts, the same threshold, one thread
// each, in one run. Needs ../shared/data.
//   npm run bench similar [-- --json]
// PostgreSQL answers all look-ups in one statement: no time on the way to and from a client counts against it. On a machine
// with other work, look-ups by second of processor time are what can be compared.
import { join } from 'node:path'
import { readLines } from '../src/adapters/files/rows.ts'
import { random, shuffle } from '../src/core/random.ts'
import { FACTS } from '../src/core/similar/clash.ts'
import { neighbours } from '../src/core/similar/neighbours.ts'
import type { Neighbour } from '../src/core/similar/neighbours.ts'
import { signature } from '../src/core/similar/signature.ts'
import { verdict } from '../src/core/similar/verdict.ts'
import { normalise } from '../src/core/text/normalise.ts'
import { wilson } from '../src/core/statistics.ts'
import { BANDING } from '../src/tiers/similar.ts'
import { startPostgres } from './support/postgres.ts'
import { benchArguments, present } from './support/arguments.ts'
import type { Postgres } from './support/postgres.ts'

const SETS = [
  { file: 'pricerunner', levels: 1 },
  { file: 'catalog', levels: 2 },
]
const THRESHOLD = 0.8
const LOOKUPS = 3_000
const SEED = 1
/** The backend's own processor time, as Linux counts it. */
const OWN_TICKS = "SELECT pg_read_file('/proc/self/stat');"
const TICKS_A_SECOND = 100

interface Text {
  readonly title: string
  readonly label: string
}

interface Side {
  /** Look-ups with a neighbour at the threshold; those answered; answered with another label than their own. */
  readonly found: number
  readonly answered: number
  readonly wrong: number
  readonly perSecond: number
  /** Look-ups a second of processor time. */
  readonly perCpuSecond: number
}

const { json: asJson } = benchArguments({ json: { type: 'boolean', default: false } }).values
const data = present(join(import.meta.dirname, '..', '..', 'shared', 'data'))
const postgres = await startPostgres(console.error)
try {
  for (const { file, levels } of SETS) {
    const texts = await textsOf(join(data, `${file}.jsonl.gz`), levels)
    const [held, asked] = [texts.slice(0, -LOOKUPS), texts.slice(-LOOKUPS)]
    const theirs = askPostgres(postgres, held, asked)
    const ours = askOurs(held, asked, [])
    const careful = askOurs(held, asked, FACTS)
    report(file, held.length, theirs, ours, careful)
  }
} finally {
  postgres.stop()
}

async function textsOf(path: string, levels: number): Promise<Text[]> {
  const rows: Text[] = []
  for await (const { value } of readLines(path)) {
    const { title, label } = value as { title: string; label: string | string[] }
    rows.push({ title: normalise(title), label: [label].flat().slice(0, levels).join(' > ') })
  }
  const order = Int32Array.from(rows, (_, index) => index)
  shuffle(order, random(SEED))
  return Array.from(order, (index) => rows[index]!)
}

function askPostgres(
  db: Postgres,
  held: readonly Text[],
  asked: readonly Text[],
): Side & { readonly hits: Set<number> } {
  const copy = (table: string, texts: readonly Text[]) =>
    `COPY ${table} FROM STDIN;\n${texts.map(({ title, label }, id) => [id, escaped(title), escaped(label)].join('\t')).join('\n')}\n\\.\n`
  db.sql(
    `CREATE EXTENSION IF NOT EXISTS pg_trgm; DROP TABLE IF EXISTS held, asked;
     CREATE TABLE held(id int, title text, label text); CREATE TABLE asked(id int, title text, label text);\n` +
      copy('held', held) +
      copy('asked', asked) +
      'CREATE INDEX ON held USING gin (title gin_trgm_ops); VACUUM ANALYZE held; VACUUM ANALYZE asked;',
  )
  const query = (where: string) => `
    SELECT a.id, near.label = a.label FROM asked a
    CROSS JOIN LATERAL (SELECT h.label FROM held h WHERE h.title % a.title
                        ORDER BY similarity(h.title, a.title) DESC, h.id DESC LIMIT 1) near ${where};`
  const settings = `SET pg_trgm.similarity_threshold = ${THRESHOLD}; SET max_parallel_workers_per_gather = 0; SET enable_seqscan = off;`
  db.sql(settings + query('WHERE a.id < 200')) // warm
  const said = db
    .sql(`${settings} ${OWN_TICKS}\n\\timing on\n${query('')}\n\\timing off\n${OWN_TICKS}`)
    .trim()
    .split('\n')
  const ms = Number(/Time: ([\d.]+) ms/.exec(said.findLast((line) => line.startsWith('Time'))!)![1])
  const [before, after] = said.filter((line) => line.includes('(postgres)')).map(ticksOf)
  const rows = said.filter((line) => /^\d+\t[tf]$/.test(line)).map((line) => line.split('\t'))
  return {
    hits: new Set(rows.map(([id]) => Number(id))),
    found: rows.length,
    answered: rows.length,
    wrong: rows.filter(([, right]) => right === 'f').length,
    perSecond: (asked.length / ms) * 1000,
    perCpuSecond: (asked.length / (after! - before!)) * TICKS_A_SECOND,
  }
}

/** User and system time of a line of /proc/PID/stat: proc(5), fields 14 and 15. */
function ticksOf(line: string): number {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function askOurs(held: readonly Text[], asked: readonly Text[], vetoes: readonly (typeof FACTS)[number][]) {
  const known = neighbours<string>({ ...BANDING, entries_max: held.length, bytes_max: 1e9 })
  held.forEach(({ title, label }, at) => known.add(String(at), signature([title], 'together'), label))
  const look = ({ title }: Text) => {
    const signed = signature([title], 'together')
    const near: Neighbour<string>[] = known.find(signed, THRESHOLD)
    return { near, said: verdict(signed, near, vetoes, (a, b) => a === b) }
  }
  for (const text of asked.slice(0, 200)) look(text)
  const [start, processor] = [performance.now(), process.cpuUsage()]
  const looked = asked.map(look)
  const { user, system } = process.cpuUsage(processor)
  const seconds = (performance.now() - start) / 1000
  const hits = new Set(looked.flatMap(({ near }, at) => (near.length > 0 ? [at] : [])))
  const answered = looked.flatMap(({ said }, at) => (said.kind === 'hit' ? [{ at, label: said.value }] : []))
  return {
    hits,
    found: hits.size,
    answered: answered.length,
    answers: new Set(answered.map(({ at }) => at)),
    wrong: answered.filter(({ at, label }) => label !== asked[at]!.label).length,
    perSecond: asked.length / seconds,
    perCpuSecond: (asked.length / (user + system)) * 1e6,
  }
}

type Theirs = ReturnType<typeof askPostgres>
type Ours = ReturnType<typeof askOurs>

function report(file: string, held: number, theirs: Theirs, ours: Ours, careful: Ours): void {
  const of = (side: Ours) => ({
    recallOfTheirHits: share(side.hits, theirs.hits),
    answeredOfTheirHits: share(side.answers, theirs.hits),
  })
  const rows = [
    { name: 'pg_trgm', ...theirs, recallOfTheirHits: 1, answeredOfTheirHits: 1 },
    { name: 'similar, no vetoes', ...ours, ...of(ours) },
    { name: 'similar, all vetoes', ...careful, ...of(careful) },
  ].map((row) => ({ ...row, falseHits: row.wrong / row.answered, interval: wilson(row.wrong, row.answered) }))
  const ratio = ours.perSecond / theirs.perSecond
  const cpuRatio = ours.perCpuSecond / theirs.perCpuSecond
  if (asJson) {
    console.log(JSON.stringify({ file, held, lookups: LOOKUPS, threshold: THRESHOLD, ratio, cpuRatio, rows }, plain))
    return
  }
  console.log(
    `${file}: ${held} texts held, ${LOOKUPS} looked up, threshold ${THRESHOLD}; ours ${ratio.toFixed(1)} times pg_trgm's look-ups a second, ${cpuRatio.toFixed(1)} times a second of processor time`,
  )
  for (const row of rows)
    console.log(
      `  ${row.name.padEnd(20)} ${row.perSecond.toFixed(0).padStart(7)}/s ${row.perCpuSecond.toFixed(0).padStart(7)}/s of CPU  found ${percent(row.found / LOOKUPS)}  answered ${percent(row.answered / LOOKUPS)}` +
        `  of pg_trgm's hits found ${percent(row.recallOfTheirHits)}, answered ${percent(row.answeredOfTheirHits)}` +
        `  false hits ${percent(row.falseHits)} (${percent(row.interval.low)}–${percent(row.interval.high)})`,
    )
}

function share(some: ReadonlySet<number>, all: ReadonlySet<number>): number {
  return [...all].filter((id) => some.has(id)).length / all.size
}

function percent(of: number): string {
  return `${(100 * of).toFixed(2)} %`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\t', ' ')
}

function plain(_: string, value: unknown): unknown {
  return value instanceof Set ? undefined : value
}
