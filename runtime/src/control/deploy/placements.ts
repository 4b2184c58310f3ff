import { list } from '../../cluster/list.ts'
import { has, type Placement } from '../../cluster/placement.ts'
import { keys } from '../../cluster/subjects.ts'
import type { AppName, NodeId, TeamId } from '../../core/ids.ts'
import { type App, serving } from '../../model/app.ts'
import type { Cloud } from '../cloud.ts'
import { endPlacements } from '../remove-app.ts'

type Named = { team: TeamId; app: AppName }

/** The nodes make the release ready, beside what they have. */
export async function prepare(cloud: Cloud, nodes: NodeId[], { team, app }: Named, release: number): Promise<void> {
  for (const node of nodes) {
    await cloud.state.placements.change(keys.placement(node, team, app), (now = { ready: [] }) => ({
      ...now,
      ready: [...now.ready.filter((one) => one !== release), release],
    }))
  }
}

/** The nodes have what the app's record names, each of what it has already, and nothing else; nor has the app other ports. */
export async function settle(cloud: Cloud, app: App): Promise<void> {
  const { team, name } = app
  await cloud.ports.settle(app)
  if (app.stopped) return endPlacements(cloud, team, name)
  for (const { key } of await list(cloud.state.placements, `*.${keys.app(team, name)}`)) {
    await cloud.state.placements.change(key, (now) => now && settled(now, app))
  }
}

export function settled(now: Placement, app: App): Placement {
  const { kept } = app
  return {
    ready: serving(app).filter((release) => has(now, release)),
    ...(kept && has(now, kept.release) && { kept }),
  }
}
