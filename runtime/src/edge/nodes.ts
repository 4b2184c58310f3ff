import { randomBytes } from 'node:crypto'
import { HeardApps } from '../cluster/heard-apps.ts'
import type { NodeSoftState } from '../cluster/subjects.ts'
import type { EdgeId, NodeId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import type { NodeAddress } from './dial.ts'
import { type LinkEvents, NodeLink } from './node-link.ts'

type App = NodeSoftState['apps'][number]

interface Heard {
  state: NodeSoftState
  apps: HeardApps<App>
}

/** The nodes this edge can ask for instances, with what they last said of themselves. A watcher feeds it. */
export class Nodes {
  #links = new Map<NodeId, { link: NodeLink; address: string }>()
  #soft = new Map<NodeId, Heard>()
  readonly #edge: EdgeId
  readonly #epoch = randomBytes(8).toString('hex')
  readonly #events: LinkEvents
  readonly #log: Logger

  constructor(edge: EdgeId, events: LinkEvents, log: Logger) {
    this.#edge = edge
    this.#events = events
    this.#log = log
  }

  /** Connects, or reconnects if the address is another than before. */
  set(node: NodeId, address: NodeAddress): void {
    const text = JSON.stringify(address)
    if (this.#links.get(node)?.address === text) return
    this.remove(node)
    const link = new NodeLink(node, address, this.#edge, this.#epoch, this.#events, this.#log)
    this.#links.set(node, { link, address: text })
  }

  remove(node: NodeId): void {
    const known = this.#links.get(node)
    if (!known) return
    this.#links.delete(node)
    this.#soft.delete(node)
    known.link.close()
  }

  setSoftState(state: NodeSoftState): void {
    const known = this.#soft.get(state.node)
    const apps = known?.state.epoch === state.epoch ? known.apps : new HeardApps<App>()
    apps.hear(state.apps, Date.now())
    this.#soft.set(state.node, { state, apps })
  }

  link(node: NodeId): NodeLink | undefined {
    return this.#links.get(node)?.link
  }

  softState(node: NodeId): Heard | undefined {
    return this.#soft.get(node)
  }

  close(): void {
    for (const node of [...this.#links.keys()]) this.remove(node)
  }
}
