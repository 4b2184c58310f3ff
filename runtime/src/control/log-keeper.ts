import type { Cluster } from '../cluster/connect.ts'
import { list } from '../cluster/list.ts'
import { dropLogStream, ensureLogStream, logStreamName, logStreams } from '../cluster/log-streams.ts'
import { keys } from '../cluster/subjects.ts'
import type { Cloud } from './cloud.ts'

/** How long the log of an app that is no more, or never came to live, can be read after its last line. */
export const keptAfterEndMs = 7 * 24 * 3_600_000
const lookEveryMs = 3_600_000

/** Every app has a stream for its log, and none stays for ever when its app is gone. Returns how to stop. */
export function keepLogs(cloud: Cloud, cluster: Cluster): () => void {
  const look = () =>
    lookOnce(cloud, cluster, Date.now()).catch((error: unknown) =>
      cloud.log.warn({ error: String(error) }, 'log streams were not looked after'),
    )
  void look()
  const timer = setInterval(look, lookEveryMs)
  return () => clearInterval(timer)
}

export async function lookOnce({ state }: Pick<Cloud, 'state'>, cluster: Cluster, now: number): Promise<void> {
  const streams = await logStreams(cluster)
  const apps = await list(state.apps)
  const known = new Set(apps.map(({ key }) => key))
  const there = new Set(streams.map(({ team, app }) => logStreamName(team, app)))
  for (const { value } of apps) {
    if (!there.has(logStreamName(value.team, value.name))) await ensureLogStream(cluster, value.team, value.name)
  }
  for (const stream of streams) {
    if (!known.has(keys.app(stream.team, stream.app)) && now - stream.lastAt > keptAfterEndMs) {
      await dropLogStream(cluster, stream)
    }
  }
}
