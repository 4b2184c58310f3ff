/**
 * Does something for each of them, so many at a time. After a failure no further one is begun, and it is thrown only
 * when those under way have ended: nobody uses a file any more that the caller then closes.
 */
export async function severalAtOnce<T>(items: T[], limit: number, act: (item: T, index: number) => Promise<void>) {
  let next = 0
  let failed: { error: unknown } | undefined
  const one = async () => {
    while (next < items.length && !failed) {
      const index = next++
      await act(items[index]!, index).catch((error: unknown) => {
        failed ??= { error }
      })
    }
  }
  await Promise.all(Array.from({ length: limit }, one))
  if (failed) throw failed.error
}
