/** One app of the benchmark: what it runs, for whom, and how it is set up. */
export interface PlannedApp {
  name: string
  team: number
  kind: Kind
  image: string
  memoryMib: number
  env: string[]
  idleMs: number
  concurrency: { soft: number; hard: number }
}

/** A mix that the start times of an emulated CPU allow, and images of each kind. */
export const kinds = {
  static: { image: 'hello', share: 0.8, images: 0.8, memoryMib: 128 },
  python: { image: 'python', share: 0.12, images: 0.12, memoryMib: 128 },
  node: { image: 'node', share: 0.08, images: 0.08, memoryMib: 192 },
} as const
export type Kind = keyof typeof kinds

/** How many images of each kind there are: `images` in all, at least one of each. */
export const imagesOf = (kind: Kind, images: number) => Math.max(1, Math.round(images * kinds[kind].images))

/** Kinds are spread evenly, so that a part of the apps is a mix like the whole. */
export function planApps(
  count: number,
  teams: number,
  configs: number,
  references: Record<Kind, string[]>,
): PlannedApp[] {
  const made: Record<Kind, number> = { static: 0, python: 0, node: 0 }
  return Array.from({ length: count }, (_, index) => {
    const names = Object.keys(kinds) as Kind[]
    const owed = (kind: Kind) => kinds[kind].share * (index + 1) - made[kind]
    const kind = names.reduce((best, one) => (owed(one) > owed(best) ? one : best))
    const image = references[kind][made[kind] % references[kind].length]!
    made[kind]++
    const config = index % configs
    return {
      name: `app-${String(index).padStart(4, '0')}`,
      team: index % teams,
      kind,
      image,
      memoryMib: kinds[kind].memoryMib,
      env: [`CONFIG=${config}`],
      idleMs: 100 + config,
      concurrency: { soft: 10 + (config % 20), hard: 100 },
    }
  })
}
