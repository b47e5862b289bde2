// The card of a stack: what its parts are, what each is worth, what asking costs and brings, and by which command.
// Says counts and figures only, never a row.
import { thresholdsText } from '../../core/calibration/propose.ts'
import { dataSection, describe, figuresRow } from '../encoder/card.ts'
import { percent } from '../percent.ts'
import { EXPERTS } from './train.ts'
import type { EncoderSettings } from '../../ports/encoder.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Examples } from '../examples.ts'
import type { TrainedStack } from './train.ts'

/**
 * Cost and accuracy at each step, a line each; `perSecond` is the speed of what is asked, beside which the cheap model,
 * lexical unless it is named, is free.
 */
export function stackTable(
  { steps, chosen }: Pick<TrainedStack, 'steps' | 'chosen'>,
  perSecond: number,
  { cheap, items, whole } = { cheap: 'lexical', items: 'titles', whole: 'whole path' },
): string[] {
  return steps.map((step) => {
    const speed = step.asked === 0 ? `as fast as ${cheap}` : `${Math.round(perSecond / step.asked)} ${items}/s at most`
    const ask = step.ask > 1 ? 'always' : step.ask.toFixed(3)
    const mark = step === chosen ? '  ← chosen' : ''
    return `ask below ${ask.padEnd(6)}  asks ${percent(step.asked).padStart(7)}  ${whole} ${percent(step.accuracy)}  ${speed}${mark}`
  })
}

export function stackCard(
  data: Examples,
  trained: TrainedStack,
  encoder: EncoderSettings,
  perSecond: number,
  job: { readonly files: Manifest['data']; readonly command: string },
): string {
  const { lexical, model, weights, vote, alone, always, served, chosen } = trained
  return `# Model card
Kind \`stack\`: a lexical model (${(lexical.model.length / 1e6).toFixed(1)} MB) answers first. Where it gives its best path less than ${chosen.ask}, ${describe(encoder)}
is asked, and three experts are joined (${(model.length / 1e6).toFixed(1)} MB): the lexical model, a head per level over the vector, and the vote of the
nearest vectors of the training rows. P(path) ∝ Π p(expert)^weight. All parts lie in the folder: it needs nothing else.
Reads: ${data.segments.join(', ')}.

${dataSection(data, job)}
## Figures
Every expert was trained first without a validation part, on little data several times, each time without another one:
${served.rows} rows in all, chosen by a hash of the title; on those the weights (${EXPERTS.map((name, at) => `${name} ${weights[at]!.toFixed(2)}`).join(', ')}),
the counting of neighbours (warmth ${vote.warmth}, doubt ${vote.doubt}), the point of asking and the thresholds (${thresholdsText(served.thresholds)}) were
chosen. This model is another fit of all experts, on all rows.

| what | accuracy | top 3 | top 5 | answered at its own thresholds | right of those | ECE |
|---|---|---|---|---|---|---|
${alone.map((judgement, at) => figuresRow(`${EXPERTS[at]} alone`, judgement)).join('\n')}
${figuresRow('all, asked always', always)}
${figuresRow('this stack', served)}

The thresholds are ${served.promise}.

Cost and accuracy at each step (speed: of the encoder when it was trained, all cores, divided by the share asked):

${stackTable(trained, perSecond)
  .map((line) => `    ${line}`)
  .join('\n')}

A handful of numbers was chosen on the rows that these figures count: they are a little too good.
All figures are printed by

    ${job.command}

## Limits
- The encoder makes it slow where it asks; the stack answers an easy item as fast as the lexical model, a hard one not.
- Remembers the vectors of all training rows: what was taught wrongly is remembered too.
`
}
