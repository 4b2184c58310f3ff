import type { NodeId } from '../core/ids.ts'

/** What placement knows of a node that can take instances now. */
export interface Candidate {
  id: NodeId
  memoryMib: number
  freeMib: number
  /** 0 idle … 1 all CPUs busy */
  load: number
}

export interface Need {
  memoryMib: number
}

/** Higher is better: the emptier in memory the better; a busy node counts as if half of its free memory were gone. */
export const score = (node: Candidate) => (node.freeMib / node.memoryMib) * (1 - Math.min(node.load, 1) / 2)

/** The nodes that could run it, best first; ties by id, so that the same state gives the same answer. */
export function rank(nodes: readonly Candidate[], need: Need): Candidate[] {
  return nodes
    .filter((node) => node.freeMib >= need.memoryMib)
    .toSorted((a, b) => score(b) - score(a) || (a.id < b.id ? -1 : 1))
}
