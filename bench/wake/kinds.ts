/** The three kinds of app, and how many requests of its own make each as warm as it gets under emulation. */
export const kinds = [
  { name: 'static', image: 'hello', warmUp: 300 },
  { name: 'node', image: 'node', warmUp: 3_000 },
  { name: 'python', image: 'python', warmUp: 1_500 },
] as const

export interface Copy {
  app: string
  kind: (typeof kinds)[number]
  /** The first of each kind is measured most; the others only over one long pause after another. */
  isFirst: boolean
}

export const copiesOf = (count: number): Copy[] =>
  kinds.flatMap((kind) =>
    Array.from({ length: count }, (_, index) => ({ app: `${kind.name}-${index}`, kind, isFirst: index === 0 })),
  )
