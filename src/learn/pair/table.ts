// Tables of figures by source as cards of relevance models show them: Markdown, counts and shares only.
import { percent } from '../percent.ts'
import type { Figures } from './calibrate.ts'

/** The sources of which there are figures, in their order. */
export function sourceLines(sources: readonly string[], of: (source: number) => Figures | undefined) {
  return sources.flatMap((source, at) => {
    const figures = of(at)
    return figures && figures.rows > 0 ? [{ source, figures }] : []
  })
}

/** One line a source; behind accuracy and macro-F1, for each of `classes`, precision / recall (rows). */
export function figuresTable(
  title: string,
  classes: readonly string[],
  lines: readonly { readonly source: string; readonly figures: Figures }[],
): string {
  const line = ({
    source,
    figures: { rows, accuracy, macroF1, precision, recall, support },
  }: (typeof lines)[number]) => {
    const own = classes.map((_, at) =>
      support[at] ? `${percent(precision[at]!)} / ${percent(recall[at]!)} (${support[at]})` : '–',
    )
    return `| ${[source, rows, percent(accuracy), macroF1.toFixed(3), ...own].join(' | ')} |`
  }
  return `| ${[title, 'rows', 'accuracy', 'macro-F1', ...classes].join(' | ')} |
|---|---|---|---|${classes.map(() => '---|').join('')}
${lines.map(line).join('\n')}`
}
