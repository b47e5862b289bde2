// Progress for people: a bar with the time left on a terminal, plain lines now and then elsewhere. Writes to stderr
// only; decides nothing.
import { Presets, SingleBar } from 'cli-progress'

export interface ProgressView {
  /** Where a long piece of work stands; a new title starts a new bar. */
  update(title: string, value: number, total: number, note: string): void
  /** A line that stays. */
  line(text: string): void
  stop(): void
}

/** Between two lines about the same piece of work where no bar can be drawn. */
const LINE_EVERY_MS = 30_000

export function progressView(quiet: boolean): ProgressView {
  if (quiet) return { update: () => {}, line: () => {}, stop: () => {} }
  return process.stderr.isTTY ? barView() : lineView(write, () => performance.now())
}

function write(text: string): void {
  process.stderr.write(`${text}\n`)
}

export function lineView(say: (text: string) => void, now_ms: () => number): ProgressView {
  const estimate = estimator(now_ms)
  let said = now_ms()
  return {
    update(title, value, total, note) {
      const left = estimate(title, value, total)
      if (now_ms() - said < LINE_EVERY_MS) return
      said = now_ms()
      say(`${title}: ${Math.floor((100 * value) / total)} %${note && ` · ${note}`} · ${left} left`)
    },
    line(text) {
      said = now_ms()
      say(text)
    },
    stop: () => {},
  }
}

function barView(): ProgressView {
  const format = '{title} [{bar}] {percentage}%{note} · {left} left'
  const estimate = estimator(() => performance.now())
  let bar: SingleBar | undefined
  let current = ''
  const stop = () => {
    bar?.stop()
    bar = undefined
  }
  return {
    update(title, value, total, note) {
      const payload = { title, note: note && ` · ${note}`, left: estimate(title, value, total) }
      if (bar === undefined || title !== current) {
        stop()
        current = title
        bar = new SingleBar({ format, clearOnComplete: true, hideCursor: true }, Presets.shades_classic)
        bar.start(total, value, payload)
      }
      bar.update(value, payload)
    },
    line(text) {
      stop()
      write(text)
    },
    stop,
  }
}

/** Time left by the pace since the title came up; lines between do not start it anew, as they would the bar's own. */
function estimator(now_ms: () => number): (title: string, value: number, total: number) => string {
  let current: { readonly title: string; readonly value: number; readonly start_ms: number } | undefined
  return (title, value, total) => {
    if (current?.title !== title || value < current.value) current = { title, value, start_ms: now_ms() }
    const done = value - current.value
    if (done === 0) return '…'
    const seconds = Math.ceil(((total - value) * (now_ms() - current.start_ms)) / done / 1000)
    return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
  }
}
