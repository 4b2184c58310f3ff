import { z } from 'zod'
import { ask } from '../cluster/ask.ts'
import type { Cluster } from '../cluster/connect.ts'
import { list } from '../cluster/list.ts'
import { type ExecStart, type HostInstance, subjects } from '../cluster/subjects.ts'
import { type AppName, appName, type NodeId, type TeamId, teamId } from '../core/ids.ts'
import type { Node } from '../model/node.ts'
import { admits, ForeignOnEmulated } from '../model/team.ts'
import { type Need, rank } from '../placement/score.ts'
import { LargerThanAnyNode, NoCapacity, NoNode } from './errors.ts'
import { SoftStates, silentMs } from './soft-state.ts'
import type { State } from './state.ts'

const Instances: z.ZodType<HostInstance[]> = z.array(
  z.object({
    team: z.string().transform(teamId),
    app: z.string().transform(appName),
    release: z.number(),
    id: z.string(),
    state: z.string(),
    incarnation: z.number(),
    memoryMib: z.number(),
    requests: z.number(),
    sinceMs: z.number(),
    health: z.enum(['healthy', 'failing', 'unhealthy']).optional(),
  }),
)

/** How long an app may take to end: its stop signal, the grace (10 s), and what is cleaned up. */
const endDeadlineMs = 20_000

/** The machines that run instances, as the control sees them. */
export class Hosts implements Disposable {
  readonly soft: SoftStates
  readonly #cluster: Cluster
  readonly #state: State

  constructor(cluster: Cluster, state: State) {
    this.#cluster = cluster
    this.#state = state
    this.soft = new SoftStates(cluster)
  }

  async all(): Promise<Node[]> {
    return (await list(this.#state.nodes)).map(({ value }) => value)
  }

  /** The nodes that may run a new release, best first; never none. Nodes that have just started get some time to speak. */
  async choose(need: Need & { team: TeamId }): Promise<Node[]> {
    const heard = await this.#fresh()
    if (heard.length === 0) throw new NoNode(silentMs)
    const nodes = heard.filter(({ node }) => admits(node, need.team))
    if (nodes.length === 0) throw new ForeignOnEmulated(need.team)
    const chosen = rank(
      nodes.map(({ node, soft }) => ({ ...node, freeMib: soft.freeMib, load: soft.load })),
      need,
    )
    if (chosen.length > 0) return chosen.map(({ id }) => nodes.find(({ node }) => node.id === id)!.node)
    const largest = Math.max(...nodes.map(({ node }) => node.memoryMib))
    if (largest < need.memoryMib) throw new LargerThanAnyNode(need.memoryMib, largest)
    throw new NoCapacity(need.memoryMib, Math.max(...nodes.map(({ soft }) => soft.freeMib)))
  }

  async #fresh() {
    const until = Date.now() + silentMs
    for (;;) {
      const nodes = await this.all()
      const heard = nodes.flatMap((node) => {
        const soft = this.soft.fresh(node.id)
        return soft ? [{ node, soft }] : []
      })
      if (heard.length > 0 || Date.now() >= until) return heard
      await this.soft.next(until - Date.now())
    }
  }

  /** What a node has just now; when it does not answer, what it last said. */
  async instances(node: NodeId): Promise<HostInstance[]> {
    try {
      const subject = subjects.askHost(node, 'instances')
      return await ask(this.#cluster, subject, {}, { schema: Instances, deadlineMs: 2_000 })
    } catch {
      return (this.soft.of(node)?.apps.all() ?? []).flatMap(({ team, app, instances }) =>
        instances.map((instance) => ({ ...instance, team: teamId(team), app: appName(app) })),
      )
    }
  }

  /** Ends all instances of an app on a node; resolves when they are gone. */
  async end(node: NodeId, team: TeamId, app: AppName): Promise<void> {
    const subject = subjects.askHost(node, 'end')
    await ask(this.#cluster, subject, { team, app }, { schema: z.unknown(), deadlineMs: endDeadlineMs })
  }

  /** Begins a session; its frames go over exec.<session>.*. A sleeping instance is woken for it. */
  async exec(node: NodeId, start: ExecStart): Promise<void> {
    const subject = subjects.askHost(node, 'exec')
    await ask(this.#cluster, subject, start, { schema: z.unknown(), deadlineMs: 60_000 })
  }

  [Symbol.dispose]() {
    this.soft[Symbol.dispose]()
  }
}
