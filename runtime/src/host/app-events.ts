import type { AppEvent } from '../cluster/subjects.ts'
import type { AppOnNode } from './app-on-node.ts'
import type { HostTools } from './tools.ts'

type Told = Omit<AppEvent, 'at' | 'node' | 'team' | 'app'>

/** Tells what became of an app here: as an event, and in its log too unless it was ended by somebody's doing. */
export function tellOf({ team, name: app }: AppOnNode, told: Told, tools: HostTools) {
  tools.tell({ team, app, ...told })
  if (told.kind === 'ended') return
  const origin = { team, app, instance: told.instance ?? '', release: told.release }
  tools.logs.source(origin).system(`${told.kind}: ${told.message}`)
}
