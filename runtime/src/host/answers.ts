import { z } from 'zod'
import { answer } from '../cluster/ask.ts'
import type { Cluster } from '../cluster/connect.ts'
import { type HostInstance, subjects } from '../cluster/subjects.ts'
import { LittleError, raise } from '../core/errors.ts'
import { appName, type NodeId, teamId } from '../core/ids.ts'
import { runExec } from './exec.ts'
import type { Fleet } from './fleet.ts'

const App = { team: z.string().transform(teamId), app: z.string().transform(appName) }
const Exec = z.object({
  session: z.string(),
  ...App,
  instance: z.string().optional(),
  command: z.array(z.string()).min(1),
  tty: z.boolean(),
  rows: z.number().optional(),
  columns: z.number().optional(),
})

export class NothingToExecIn extends LittleError {
  readonly code = 'exec.no_instance'
  readonly status = 409
  readonly hint = 'See what there is with little ps'
  constructor(app: string) {
    super(`${app} has no instance on this node`)
  }
}

/** Answers control's questions to this node (cluster/subjects.ts). Returns how to stop. */
export function answerQuestions(cluster: Cluster, fleet: Fleet, node: NodeId): () => void {
  const stops = [
    answer(cluster, subjects.askHost(node, 'instances'), z.unknown(), () => instances(fleet)),
    answer(cluster, subjects.askHost(node, 'end'), z.object(App), async ({ team, app }) => {
      await fleet.unplace(team, app)
      return { ended: true }
    }),
    answer(cluster, subjects.askHost(node, 'exec'), Exec, async (ask) => {
      const app = fleet.app(ask.team, ask.app)
      const [first] = app?.serving.flatMap((release) => app.usable(release)) ?? []
      const instance = ask.instance === undefined ? first : app?.instances.find(({ id }) => id === ask.instance)
      await runExec(cluster, instance ?? raise(new NothingToExecIn(ask.app)), ask)
      return { ok: true }
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

function instances(fleet: Fleet): HostInstance[] {
  const now = Date.now()
  return fleet.instances.map(({ record, state, health, requests, sinceMs }) => ({
    team: record.team,
    app: record.app,
    release: record.release,
    id: record.id,
    state,
    incarnation: record.incarnation,
    memoryMib: record.memoryMib,
    requests,
    sinceMs: now - sinceMs,
    health,
  }))
}
