// A process that starts a stack, prints its addresses as one line of JSON and waits to be killed.
import { startStack } from '../../scripts/stack/stack.ts'

const { kafka, registry, redis } = await startStack()
console.log(JSON.stringify({ kafka, registry, redis }))
setInterval(() => {}, 60_000)
