// Where things are: the checkout and the user's cache folder. Nothing here creates, reads or decides.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

export { cacheFolder } from '../src/adapters/files/cache-folder.ts'
