// For tests of what is counted in days.

/** Once more where midnight (UTC) came in between. */
export async function withinOneDay(work: () => Promise<void>): Promise<void> {
  const day = () => Math.floor(Date.now() / 86_400_000)
  for (let started = day(), again = true; again; started = day()) {
    await work()
    again = day() !== started
  }
}
