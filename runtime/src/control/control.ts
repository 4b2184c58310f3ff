import { mkdir } from 'node:fs/promises'
import { Cluster } from '../cluster/connect.ts'
import { ensureStorage } from '../cluster/storage.ts'
import type { Logger } from '../core/log.ts'
import { buildServer } from './api/server.ts'
import type { Cloud } from './cloud.ts'
import type { ControlConfig } from './config.ts'
import { recover } from './deploy/recover.ts'
import { openEvents } from './events.ts'
import { HostPorts } from './host-ports.ts'
import { Hosts } from './hosts.ts'
import { clusterKey } from './key-file.ts'
import { keepLogs } from './log-keeper.ts'
import { openState } from './state.ts'
import { ensureFirstTokens } from './tokens.ts'
import { sweepUploads } from './uploads.ts'

export interface Control extends AsyncDisposable {
  /** Where it listens. */
  url: string
}

/** Opens the state, clears up after a crash, and answers the API until it is disposed of. */
export async function startControl(config: ControlConfig, log: Logger): Promise<Control> {
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  const cluster = Cluster.open(config.nats, { name: 'control', log })
  try {
    await ensureStorage(cluster, 60_000)
    const state = openState(cluster)
    const cloud: Cloud = {
      config,
      clusterKey: await clusterKey(config.clusterKey),
      state,
      events: openEvents(cluster),
      hosts: new Hosts(cluster, state),
      ports: new HostPorts(cluster, state),
      log,
      changing: new Set(),
      imagesInUse: new Map(),
      startedAt: Date.now(),
    }
    await ensureFirstTokens(state, config.dataDir)
    await recover(cloud)
    await sweepUploads(config.dataDir, Date.now())
    const stopKeepingLogs = keepLogs(cloud, cluster)
    const server = await buildServer(cloud, cluster)
    const url = await server.listen(config.listen)
    log.info({ url }, 'the control answers')
    return {
      url,
      async [Symbol.asyncDispose]() {
        stopKeepingLogs()
        await server.close()
        cloud.hosts[Symbol.dispose]()
        await cluster.close()
      },
    }
  } catch (error) {
    await cluster.close()
    throw error
  }
}
