import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort } from '../../runtime/src/bin/up/ports.ts'
import { Cluster, type NatsConfig } from '../../runtime/src/cluster/connect.ts'
import { NatsServer } from '../../runtime/src/cluster/nats-server.ts'
import { ensureNats } from '../../scripts/setup/nats.ts'

/** A real nats-server of the test's own, with everything it needs to be cruel to it. */
export interface TestNats {
  config: NatsConfig
  dir: string
  /** Opens a link that is closed when the test ends. */
  open(name?: string): Cluster
  /** kill -9. */
  kill(): Promise<void>
  /** Starts it again: same port, same data. */
  start(): Promise<void>
  signal(signal: NodeJS.Signals): void
}

export async function startNats(t: TestContext): Promise<TestNats> {
  const binary = await ensureNats((line) => t.diagnostic(line))
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-test-nats-'))
  const port = await freePort()
  const start = () => NatsServer.start({ dir, port, binary })
  let server = await start()
  const clusters: Cluster[] = []
  t.after(async () => {
    server.signal('SIGCONT')
    await Promise.all(clusters.map((cluster) => cluster.close()))
    await server.kill()
    await rm(dir, { recursive: true, force: true })
  })
  return {
    config: server.config,
    dir,
    open(name = 'test') {
      const cluster = Cluster.open(server.config, { name })
      clusters.push(cluster)
      return cluster
    },
    kill: () => server.kill(),
    start: async () => {
      server = await start()
    },
    signal: (signal) => server.signal(signal),
  }
}
