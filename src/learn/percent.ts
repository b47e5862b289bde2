/** A share as cards and reports show it. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
