import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Cluster } from '../../runtime/src/cluster/connect.ts'
import { prepareNatsServer } from '../../runtime/src/cluster/nats-server.ts'
import { openState } from '../../runtime/src/control/state.ts'
import { ensureTeam } from '../../runtime/src/control/testing/team.ts'
import { Client } from '../../sdk/src/index.ts'
import type { TestCloud } from '../../test/harness/cloud.ts'

/** A client for each of so many teams of the cloud. */
export async function makeTeams({ dataDir, apiPort }: TestCloud, count: number): Promise<Client[]> {
  const { natsPort } = JSON.parse(readFileSync(join(dataDir, 'cloud.json'), 'utf8')) as { natsPort: number }
  const { config } = await prepareNatsServer({ dir: join(dataDir, 'nats'), port: natsPort })
  await using cluster = Cluster.open(config, { name: 'bench' })
  const state = openState(cluster)
  const clients: Client[] = []
  for (let team = 1; team <= count; team++) {
    const token = await ensureTeam(state, `team-${team}`)
    clients.push(new Client({ url: `http://127.0.0.1:${apiPort}`, token }))
  }
  return clients
}
