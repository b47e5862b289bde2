// The client of the openai package, made harmless: one try a call, bounded replies, no redirects, no logging, no key but ours.
import OpenAI from 'openai'
import { llmAddress } from './address.ts'
import { boundedFetch } from './transport.ts'

export interface ClientOptions {
  readonly base_url: string
  /** Of which provider, for errors. */
  readonly name?: string
  /** Empty for servers that want none. */
  readonly api_key: string
  /** Azure's addresses by deployment: sent as ?api-version=…, the key as a header of its own. Default: none. */
  readonly api_version?: string
  readonly timeout_ms: number
}

/** Throws SluiceError SL101 for an address that is none or is forbidden. */
export function openClient(options: ClientOptions, replyBytes_max: number) {
  const { api_key, api_version = '' } = options
  const { host } = llmAddress(options.base_url, options.name)
  const azure = {
    defaultQuery: { 'api-version': api_version },
    defaultHeaders: { 'api-key': api_key, authorization: null },
  }
  const client = new OpenAI({
    baseURL: options.base_url,
    apiKey: api_key || 'none',
    adminAPIKey: null,
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: options.timeout_ms,
    fetch: boundedFetch(replyBytes_max),
    logLevel: 'off',
    ...(api_version === '' ? {} : azure),
  })
  return { client, host }
}
