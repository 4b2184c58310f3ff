import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import type { Cluster, NatsConfig } from '../../cluster/connect.ts'
import { ControlConfig } from '../config.ts'
import { type Control, startControl } from '../control.ts'
import { type ScriptedHost, startScriptedHost } from './scripted-host.ts'

export interface TestCloud {
  url: string
  token: string
  dir: string
  config: ControlConfig
  host: ScriptedHost
  cluster: Cluster
  /** Everything the control logged. */
  log: string[]
  /** Stops the control and starts it again on the same state. */
  restart(): Promise<void>
}

/** A real control on a real NATS (of the test's own) with one scripted node; ends with the test. */
export async function startCloud(
  t: TestContext,
  nats: { config: NatsConfig; open(name?: string): Cluster },
  options: { freeMib?: number; templateLimitMs?: number; foreignOnEmulated?: boolean } = {},
): Promise<TestCloud> {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-test-control-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const config = ControlConfig.parse({
    nats: nats.config,
    dataDir: dir,
    clusterKey: join(dir, 'cluster.key'),
    listen: { host: '127.0.0.1', port: 0 },
    stepLimitsMs: { template: options.templateLimitMs },
  })
  const lines: string[] = []
  const sink = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const log = pino({ level: 'debug' }, sink)
  const cluster = nats.open('host')
  const host = await startScriptedHost(cluster, options)
  t.after(() => host.stop())
  let control: Control = await startControl(config, log)
  t.after(() => control[Symbol.asyncDispose]())
  const cloud: TestCloud = {
    ...{ url: control.url, dir, config, host, cluster, log: lines },
    token: (await readFile(join(dir, 'owner.token'), 'utf8')).trim(),
    async restart() {
      await control[Symbol.asyncDispose]()
      control = await startControl(config, log)
      cloud.url = control.url
    },
  }
  return cloud
}
