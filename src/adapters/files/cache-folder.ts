// Where what can be fetched or computed again is kept: outside the checkout, in the user's cache folder.
import { homedir } from 'node:os'
import { join } from 'node:path'

/** $XDG_CACHE_HOME/sluice, by default ~/.cache/sluice. Creates nothing. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sluice')
}
