// Which addresses the LLM may be reached at. A configuration that someone else wrote must not make us send a key, or read
// credentials, from a cloud's metadata service (CWE-918).
import { BlockList, isIP } from 'node:net'
import { SluiceError } from '../../core/error.ts'

const forbidden = new BlockList()
forbidden.addSubnet('169.254.0.0', 16, 'ipv4') // link-local: AWS, Azure, GCP, ECS
forbidden.addAddress('100.100.100.200', 'ipv4') // Alibaba
forbidden.addAddress('192.0.0.192', 'ipv4') // Oracle
forbidden.addSubnet('fe80::', 10, 'ipv6')
forbidden.addAddress('fd00:ec2::254', 'ipv6') // AWS
forbidden.addAddress('fd20:ce::254', 'ipv6') // GCP

const FORBIDDEN_NAMES = new Set(['metadata.google.internal', 'metadata', 'metadata.goog', 'instance-data'])

/** The checked URL; `name`: of which provider, where there are several. Throws SluiceError SL101 with what is wrong; names the host, never what may be a secret. */
export function llmAddress(base_url: string, name?: string): URL {
  const key = name === undefined ? 'llm.base_url' : `llm.providers, ${name}: base_url`
  const refuse = (detail: string) => new SluiceError('SL101', `${key}: ${detail}`)
  if (!URL.canParse(base_url)) throw refuse('this is not a URL')
  const url = new URL(base_url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse(`${url.protocol} is not http: or https:`)
  if (url.username !== '' || url.password !== '') throw refuse('no user or password in it: the key has its own place')
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const family = isIP(host)
  if (FORBIDDEN_NAMES.has(host) || (family !== 0 && forbidden.check(host, family === 6 ? 'ipv6' : 'ipv4')))
    throw refuse(`${host} is a metadata address`)
  return url
}
