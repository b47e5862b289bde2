// The golden batch of a pair model: made-up pairs, answered as serving answers them. No row of the data is in it.
import { normalise } from '../../core/text/normalise.ts'
import { type Lexicon, pairEncoder, pairFeeds } from '../../core/pair/encode.ts'
import type { Compiled } from '../../ports/graph.ts'
import type { Manifest } from '../../ports/manifest.ts'

const PAIRS: readonly (readonly [string, string, string])[] = [
  ['red cotton shirt', 'Cotton Shirt, Red, Size M', ''],
  ['12v drill', 'Replacement battery 18 V for cordless drill', 'Fits most drills of the same maker.'],
  ['garden hose 50 ft', 'Wooden picture frame 10 x 15', ''],
  ['usb c cable', 'Cable USB-C a USB-A 1 m negro', 'Carga rápida.'],
]

export async function goldenPairs(graph: Compiled, lexicon: Lexicon): Promise<Manifest['golden']> {
  const encoded = pairEncoder(lexicon)(PAIRS.map((texts) => texts.map(normalise)))
  const { probabilities } = await graph.run(pairFeeds(encoded))
  const classes = probabilities!.dims[1]!
  const values = probabilities!.data as Float32Array
  return PAIRS.map((texts, row) => ({
    texts,
    probabilities: Array.from(values.subarray(row * classes, (row + 1) * classes), (value) =>
      Math.min(1, Number(value.toFixed(6))),
    ),
  }))
}
