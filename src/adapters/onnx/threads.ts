// The threads of a piscina pool while they start. One that is terminated while it loads the runtime or opens a session
// takes the whole process with it, as one does that runs (kafka-node-notes): who ends a pool waits for them first.
import { parentPort, threadId } from 'node:worker_threads'
import type { Piscina } from 'piscina'

interface Opened {
  readonly opened: number
}

/** Called by a thread of the pool once nothing native is left to be loaded. */
export function sayOpened(): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort!.postMessage({ opened: threadId } satisfies Opened)
}

/** To be called when the pool is made. What it gives resolves when every thread has opened or is gone. */
export function watchStarts(pool: Piscina): () => Promise<void> {
  const opened = new Set<number>()
  pool.on('message', (message: Opened) => opened.add(message.opened))
  const starting = () => pool.threads.find((thread) => !opened.has(thread.threadId))
  return async () => {
    for (let thread = starting(); thread !== undefined; thread = starting()) {
      const { promise, resolve } = Promise.withResolvers<void>()
      thread.ref() // nothing else may keep the process alive, and its end would terminate the thread as well
      thread.once('message', () => resolve()).once('exit', () => resolve())
      await promise
    }
  }
}
