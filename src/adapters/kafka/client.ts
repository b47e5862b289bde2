// The one place where kafkajs is set up: finite retries, bounded decompression, its log lines kept quiet and textless.
// Nothing here decides what is read or written.
import { gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib'
import { promisify } from 'node:util'
import kafkajs from 'kafkajs'
import { SluiceError } from '../../core/error.ts'
import { hideAbortedEverywhere } from './aborted.ts'
import type { Admin, Kafka, LogEntry } from 'kafkajs'

export interface KafkaSettings {
  readonly brokers: readonly string[]
  readonly client_id: string
  readonly connection_timeout_ms: number
  readonly request_timeout_ms: number
  /** A compressed batch that grows beyond this is refused. */
  readonly decompressed_bytes_max: number
}

export interface KafkaClient {
  readonly kafka: Kafka
  /** Hears of kafkajs's own log lines; a throw inside ends what kafkajs was about to do. */
  readonly onLog: Set<(entry: LogEntry) => void>
}

/**
 * Transactions want short retries: with kafkajs's default of 300 ms AddPartitionsToTxn makes a transaction of 500
 * messages last 122 ms instead of 10 (measured, Kafka 4.2.0).
 */
export const TRANSACTION_RETRY = { retries: 8, initialRetryTime: 10, maxRetryTime: 1000 } as const

const FIRST_CONTACT_RETRY = { retries: 2, initialRetryTime: 200, maxRetryTime: 1000 } as const

export function createKafkaClient(settings: KafkaSettings): KafkaClient {
  boundDecompression(settings.decompressed_bytes_max)
  hideAbortedEverywhere()
  const onLog = new Set<(entry: LogEntry) => void>()
  const kafka = new kafkajs.Kafka({
    clientId: settings.client_id,
    brokers: [...settings.brokers],
    connectionTimeout: settings.connection_timeout_ms,
    requestTimeout: settings.request_timeout_ms,
    retry: { retries: 5, initialRetryTime: 100, maxRetryTime: 2000 },
    logLevel: kafkajs.logLevel.ERROR,
    logCreator: () => (entry) => {
      for (const listener of onLog) listener(entry)
    },
  })
  return { kafka, onLog }
}

/** A connected admin client. Throws SluiceError SL201 that names the brokers after a few `connection_timeout_ms`. */
export async function connectAdmin(client: KafkaClient, settings: KafkaSettings): Promise<Admin> {
  // A broker that takes connections and says nothing would cost a whole request_timeout_ms.
  const impatient = createKafkaClient({ ...settings, request_timeout_ms: settings.connection_timeout_ms })
  const first = impatient.kafka.admin({ retry: FIRST_CONTACT_RETRY })
  const admin = client.kafka.admin({ retry: FIRST_CONTACT_RETRY })
  try {
    await first.connect()
    await first.describeCluster()
    await first.disconnect()
    await admin.connect()
    return admin
  } catch (error) {
    await Promise.allSettled([first.disconnect(), admin.disconnect()])
    throw new SluiceError('SL201', `no broker answered at ${settings.brokers.join(', ')}`, { cause: error })
  }
}

function boundDecompression(maxOutputLength: number): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs
  const unzip = promisify(gunzip)
  const zip = promisify(gzip)
  const unzstd = promisify(zstdDecompress)
  const zstd = promisify(zstdCompress)
  CompressionCodecs[CompressionTypes.GZIP] = () => ({
    compress: (encoder: { buffer: Buffer }) => zip(encoder.buffer),
    decompress: (buffer: Buffer) => unzip(buffer, { maxOutputLength }),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: (encoder: { buffer: Buffer }) => zstd(encoder.buffer),
    decompress: (buffer: Buffer) => unzstd(buffer, { maxOutputLength }),
  })
}
