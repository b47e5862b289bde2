// Where a benchmark stands, a bar for each contestant on a terminal and a plain line now and then elsewhere.
import { progressView } from '../adapters/terminal/progress.ts'

export interface Report {
  step(contestant: string, done: number, total: number, note: string): void
  line(text: string): void
  done(): void
}

const LINE_EVERY_MS = 10_000

export function progressOf(quiet: boolean): Report {
  const view = progressView(quiet)
  const plain = !quiet && !process.stderr.isTTY
  let current = ''
  let started = 0
  let said = 0
  return {
    step(contestant, done, total, note) {
      const now = performance.now()
      if (contestant !== current) [current, started, said] = [contestant, now, now]
      view.update(contestant, done, total, note)
      if (!plain || (done < total && now - said < LINE_EVERY_MS)) return
      said = now
      const left_s = Math.ceil((((now - started) / Math.max(1, done)) * (total - done)) / 1000)
      view.line(`${contestant}: ${done} of ${total} items, ${note}${done < total ? `, about ${left_s} s left` : ''}`)
    },
    line: (text) => view.line(text),
    done: () => view.stop(),
  }
}
