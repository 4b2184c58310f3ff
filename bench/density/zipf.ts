/** Draws of `things` by a Zipf law: the n-th is asked 1/n as often as the first. Which is which is drawn as well. */
export function zipf<T>(things: readonly T[], draws: number, random: () => number): T[] {
  const order = things.map((thing) => ({ thing, at: random() })).toSorted((a, b) => a.at - b.at)
  const sums: number[] = []
  for (let rank = 1; rank <= order.length; rank++) sums.push((sums.at(-1) ?? 0) + 1 / rank)
  return Array.from({ length: draws }, () => {
    const drawn = random() * sums.at(-1)!
    return order[sums.findIndex((sum) => sum >= drawn)]!.thing
  })
}
