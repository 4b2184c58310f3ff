/** How many requests at a time: `soft` as many as the app likes, `hard` as it bears. */
export interface Slots {
  soft: number
  hard: number
}

/** What these holds leave of an instance's slots. */
export function leftBy(holds: readonly Slots[], { soft, hard }: Slots): Slots {
  return {
    soft: Math.max(0, soft - holds.reduce((sum, hold) => sum + hold.soft, 0)),
    hard: Math.max(0, hard - holds.reduce((sum, hold) => sum + hold.hard, 0)),
  }
}
