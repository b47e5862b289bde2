// Free TCP ports on 127.0.0.1. They lie below the range that systems hand out to outgoing connections: a client
// that keeps knocking at a stopped server could otherwise be given that very port and talk to itself.
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

const PORT_MIN = 17_000
const PORT_MAX = 32_000
const TRIES_MAX = 100

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = randomInt(PORT_MIN, PORT_MAX)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${PORT_MIN} and ${PORT_MAX}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
