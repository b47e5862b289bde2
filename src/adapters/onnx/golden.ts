// The golden batch of a new model: made-up texts, answered as serving answers them. No row of the data is in it.
import { openKind } from './kinds.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { KindParts } from './open-kind.ts'

/** What a folder has before its digests and its golden batch are known. */
export interface Unanswered extends Pick<KindParts, 'model' | 'parts' | 'labelPaths'> {
  readonly manifest: Omit<Manifest, 'model' | 'parts' | 'labels' | 'golden'>
}

/** A folder that is whole but for its digests. Throws SluiceError SL501 where the model does not run. */
export async function withGolden(
  folder: Unanswered,
): Promise<Unanswered & { readonly manifest: Pick<Manifest, 'golden'> }> {
  const { manifest, labelPaths } = folder
  const golden = await answers(folder, goldenTexts(labelPaths, manifest.segments.length))
  return { ...folder, manifest: { ...manifest, golden } }
}

async function answers(folder: Unanswered, texts: readonly (readonly string[])[]): Promise<Manifest['golden']> {
  const kind = await openKind({ ...folder, manifest: folder.manifest as Manifest })
  const width = folder.labelPaths.length
  const golden: { texts: readonly string[]; probabilities: number[] }[] = []
  for await (const { rows, values } of kind.probabilities(texts))
    rows.forEach((row, at) => {
      const own = values.subarray(at * width, (at + 1) * width)
      golden[row] = {
        texts: texts[row]!,
        probabilities: Array.from(own, (value) => Math.min(1, Number(value.toFixed(6)))),
      }
    })
  return golden
}

/** Texts to answer: names of labels, or pairs of them; no row of the data leaves the machine it was trained on. */
function goldenTexts(labelPaths: readonly (readonly string[])[], segments: number): readonly (readonly string[])[] {
  const names = labelPaths.map((path) => path.join(' '))
  return names.slice(0, GOLDEN_ROWS).map((name, at) => {
    const texts = [name, names[(at + 1) % names.length]!]
    return Array.from({ length: segments }, (_, segment) => texts[segment] ?? '')
  })
}

const GOLDEN_ROWS = 4
