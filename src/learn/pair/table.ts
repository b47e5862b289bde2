// Tables of figures by source as cards of relevance models show them: Markdown, counts and shares only.
import type { Figures } from './calibrate.ts'

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

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
