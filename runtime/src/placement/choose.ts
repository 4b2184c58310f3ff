/** What is known of a node when an instance of an app is wanted. */
export interface Candidate<Node> {
  node: Node
  /** 0 idle … 1 all CPUs busy; undefined: it has not said. */
  load: number | undefined
  freeMib: number | undefined
  /** Instances of the app that are awake or parked there: they answer in ms, a start does not. */
  ready: number
}

/** A node that says nothing counts as half busy: neither shunned nor overrun. */
const unknownLoad = 0.5

/**
 * Power of two choices: of two nodes drawn at random the better one. It spreads nearly as well as always taking the best,
 * but edges that share a stale picture do not all rush to the same node.
 */
export function choose<Node>(candidates: Candidate<Node>[], random: () => number = Math.random): Node | undefined {
  const ready = candidates.filter((candidate) => candidate.ready > 0)
  const pool = ready.length > 0 ? ready : candidates
  const first = pool[Math.floor(random() * pool.length)]
  if (!first || pool.length === 1) return first?.node
  const rest = pool.filter((candidate) => candidate !== first)
  const second = rest[Math.floor(random() * rest.length)] as Candidate<Node>
  return (better(second, first) ? second : first).node
}

function better<Node>(a: Candidate<Node>, b: Candidate<Node>): boolean {
  const difference = (a.load ?? unknownLoad) - (b.load ?? unknownLoad)
  return difference === 0 ? (a.freeMib ?? 0) > (b.freeMib ?? 0) : difference < 0
}
