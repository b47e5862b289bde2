// What one broker's server.properties says beyond the committed file: its ports and its data folder.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../paths.ts'

export const kafkaSource = join(root, 'scripts', 'stack', 'kafka')

export type BrokerPlace = { readonly port: number; readonly controllerPort: number; readonly data: string }

export function writeProperties(path: string, { port, controllerPort, data }: BrokerPlace): void {
  const lines = [
    readFileSync(join(kafkaSource, 'server.properties'), 'utf8'),
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
    `log.dirs=${data}`,
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
}
