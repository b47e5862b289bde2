// For tests of what is counted in days.

const day = (): number => Math.floor(Date.now() / 86_400_000)

/** Once more where midnight (UTC) came in between, whatever came of it. */
export async function withinOneDay(work: () => Promise<void>): Promise<void> {
  const started = day()
  try {
    await work()
  } catch (error) {
    if (day() === started) throw error
  }
  if (day() !== started) await work()
}
