// Progress for people: a bar on a terminal, plain lines elsewhere. Writes to stderr only; decides nothing.
import { Presets, SingleBar } from 'cli-progress'

export interface ProgressView {
  /** Where a long piece of work stands; a new title starts a new bar. */
  update(title: string, value: number, total: number, note: string): void
  /** A line that stays. */
  line(text: string): void
  stop(): void
}

export function progressView(quiet: boolean): ProgressView {
  if (quiet) return { update: () => {}, line: () => {}, stop: () => {} }
  return process.stderr.isTTY ? barView() : { update: () => {}, line: write, stop: () => {} }
}

function write(text: string): void {
  process.stderr.write(`${text}\n`)
}

function barView(): ProgressView {
  const format = '{title} [{bar}] {percentage}% · {note} · {eta_formatted} left'
  let bar: SingleBar | undefined
  let current = ''
  const stop = () => {
    bar?.stop()
    bar = undefined
  }
  return {
    update(title, value, total, note) {
      if (bar === undefined || title !== current) {
        stop()
        current = title
        bar = new SingleBar({ format, clearOnComplete: true, hideCursor: true }, Presets.shades_classic)
        bar.start(total, value, { title, note })
      }
      bar.update(value, { title, note })
    },
    line(text) {
      stop()
      write(text)
    },
    stop,
  }
}
