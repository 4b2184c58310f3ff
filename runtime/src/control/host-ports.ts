import { z } from 'zod'
import { ask } from '../cluster/ask.ts'
import type { Cluster } from '../cluster/connect.ts'
import { KeyExists, NobodyAnswers } from '../cluster/errors.ts'
import { list } from '../cluster/list.ts'
import { keys, subjects } from '../cluster/subjects.ts'
import { type AppName, type TeamId, teamId } from '../core/ids.ts'
import { type App, serving } from '../model/app.ts'
import { HostPortTaken } from './errors.ts'
import type { State } from './state.ts'

const PortAnswer = z.object({ takenBy: z.string().optional() })

interface Owner {
  team: TeamId
  app: AppName
}

/** The edges' ports that TCP apps have. One belongs to one app, from its deploy until another release or `rm` frees it. */
export class HostPorts {
  readonly #cluster: Cluster
  readonly #state: State

  constructor(cluster: Cluster, state: State) {
    this.#cluster = cluster
    this.#state = state
  }

  /** Throws who has it, if somebody else does: an app, or a program on an edge's machine (the first edge to answer). */
  async require(port: number, owner: Owner): Promise<void> {
    const claimed = await this.#state.hostports.get(String(port))
    if (claimed?.value === keys.app(owner.team, owner.app)) return
    if (claimed) throw new HostPortTaken(port, nameOf(claimed.value, owner.team))
    const options = { schema: PortAnswer, deadlineMs: 5_000 }
    const { takenBy } = await ask(this.#cluster, subjects.askEdge('port'), { port }, options).catch(
      (error: unknown) => {
        if (error instanceof NobodyAnswers) return { takenBy: undefined } // no edge runs: the next one will listen
        throw error
      },
    )
    if (takenBy) throw new HostPortTaken(port, takenBy)
  }

  async claim(port: number, owner: Owner): Promise<void> {
    try {
      await this.#state.hostports.create(String(port), keys.app(owner.team, owner.app))
    } catch (error) {
      if (!(error instanceof KeyExists)) throw error
      const claimed = await this.#state.hostports.get(String(port))
      if (claimed && claimed.value !== keys.app(owner.team, owner.app))
        throw new HostPortTaken(port, nameOf(claimed.value, owner.team))
    }
  }

  /** The app has the ports of the releases that serve, and no others. */
  async settle(app: App): Promise<void> {
    const { team, name } = app
    const releases = serving(app).map((number) => this.#state.releases.get(keys.release(team, name, number)))
    const ports = (await Promise.all(releases)).map((entry) => String(entry?.value.tcp?.hostPort))
    await this.#free(keys.app(team, name), ports)
  }

  async free({ team, app }: Owner): Promise<void> {
    await this.#free(keys.app(team, app), [])
  }

  async #free(owner: string, except: string[]): Promise<void> {
    for (const { key, value } of await list(this.#state.hostports))
      if (value === owner && !except.includes(key)) await this.#state.hostports.delete(key)
  }
}

function nameOf(key: string, asker: TeamId): string {
  const [team = '', app = ''] = key.split('.')
  return teamId(team) === asker ? `the app ${app}` : 'an app of another team'
}
