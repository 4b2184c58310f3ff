import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { NatsServer } from '../../runtime/src/cluster/nats-server.ts'
import { findLaunched } from '../../runtime/src/vm/launch.ts'
import { ensureNats } from '../../scripts/setup/nats.ts'
import { Client, type InstanceView } from '../../sdk/src/index.ts'
import { hubAddress, type Machine, makeHub, makeMachine } from './netns.ts'
import { type RoleProcess, startRole } from './role.ts'
import { findStrays } from './strays.ts'

/** A machine with a host agent and an edge, as an operator would set it up. */
export interface Site {
  node: string
  edge: string
  edgePort: number
  machine: Machine
  dir: string
  roles: { host: RoleProcess; edge: RoleProcess }
  /** kill -9 of its agent, its edge and all its instances. */
  kill(): Promise<void>
}

/** Two machines beside the one where NATS, control and billing run; that is the test's own namespace. */
export interface TwoHosts {
  dir: string
  client: Client
  sites: [Site, Site]
  nats: NatsServer['config']
  /** Resolves when the app has an instance on each node, all asleep. */
  parkedOnBoth(app: string): Promise<InstanceView[]>
  asleep(app: string): Promise<void>
  down(): Promise<void>
}

const natsPort = 4222
const apiPort = 8090
const edgePort = 8080
const holdsPort = 7000

export async function startTwoHosts(): Promise<TwoHosts> {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-two-'))
  const undo: (() => unknown)[] = [() => rm(dir, { recursive: true, force: true })]
  const down = async () => {
    for (const step of undo.reverse()) await step()
  }
  try {
    makeHub()
    const binary = await ensureNats(() => {})
    const nats = await NatsServer.start({ dir: join(dir, 'nats'), port: natsPort, host: hubAddress, binary })
    undo.push(() => nats.stop())
    const clusterKey = join(dir, 'cluster.key')
    const shared = { nats: nats.config, clusterKey }
    const listen = { host: '0.0.0.0', port: apiPort }
    const control = await startRole('control', { ...shared, dataDir: join(dir, 'control'), listen, edgePort }, { dir })
    undo.push(() => control.stop())
    const billing = await startRole('billing', { nats: nats.config, dataDir: join(dir, 'billing') }, { dir })
    undo.push(() => billing.stop())

    const machines = [await makeMachine(11), await makeMachine(12)] as const
    for (const machine of machines) undo.push(() => machine.end())
    const edges = machines.map(({ address }) => address)
    const site = (name: string, machine: Machine, subnet: string) =>
      startSite(name, machine, { dir, shared, subnet, edges, undo })
    const sites: [Site, Site] = [
      await site('a', machines[0], '10.201.0.0/16'),
      await site('b', machines[1], '10.202.0.0/16'),
    ]

    const token = (await readFile(join(dir, 'control/owner.token'), 'utf8')).trim()
    const client = new Client({ url: `http://127.0.0.1:${apiPort}`, token })
    const until = async (what: string, holds: (instances: InstanceView[]) => boolean, app: string) => {
      for (const deadline = Date.now() + 120_000; ; await delay(50)) {
        const instances = await client.ps(app)
        if (holds(instances)) return instances
        if (Date.now() > deadline) throw new Error(`${app} ${what}: ${JSON.stringify(instances)}`)
      }
    }
    const parked = ({ state }: InstanceView) => state === 'parked'
    return {
      ...{ dir, client, sites, nats: nats.config },
      parkedOnBoth: (app) =>
        until(
          'is not parked on both nodes',
          (all) => sites.every(({ node }) => all.some((one) => one.node === node && parked(one))) && all.every(parked),
          app,
        ),
      asleep: async (app) => void (await until('does not sleep', (all) => all.every(parked), app)),
      async down() {
        await down()
        const strays = await findStrays(
          dir,
          sites.map(({ node }) => node),
        )
        if (strays.length > 0) throw new Error(`left behind: ${strays.join('; ')}`)
      },
    }
  } catch (error) {
    await down().catch(() => {})
    throw error
  }
}

interface Surroundings {
  dir: string
  shared: { nats: NatsServer['config']; clusterKey: string }
  subnet: string
  /** All edges' addresses. */
  edges: string[]
  undo: (() => unknown)[]
}

async function startSite(
  name: string,
  machine: Machine,
  { dir, shared, subnet, edges, undo }: Surroundings,
): Promise<Site> {
  const { address, pid: inNetworkOf } = machine
  const own = join(dir, name)
  const [node, edge] = [`n-${name}`, `e-${name}`]
  const host = await startRole(
    'host',
    {
      ...shared,
      ...{ node, subnet, address, edges, region: name },
      dataDir: join(own, 'host'),
      holds: { unix: join(own, 'holds'), tcp: { host: address, port: holdsPort } },
      control: { url: `http://${hubAddress}:${apiPort}`, tokenFile: join(dir, 'control/node.token') },
    },
    { dir: own, inNetworkOf },
  )
  undo.push(async () => {
    await host.stop()
    await sweep(join(own, 'host.json'), inNetworkOf) // it may have been killed
  })
  const listen = { host: address, port: edgePort }
  const config = { ...shared, edge, node, dataDir: join(own, 'edge'), listen, routeToNodes: true }
  const edgeRole = await startRole('edge', config, { dir: own, inNetworkOf })
  undo.push(() => edgeRole.stop())
  const kill = async () => {
    await Promise.all([host.kill(), edgeRole.kill()])
    const instances = join(own, 'host/instances')
    for (const folder of await readdir(instances)) (await findLaunched(join(instances, folder)))?.kill()
  }
  return { node, edge, edgePort, machine, dir: own, roles: { host, edge: edgeRole }, kill }
}

/** As `little down` does it after a crash. */
async function sweep(config: string, inNetworkOf: number) {
  const script = join(import.meta.dirname, '../../runtime/src/bin/sweep.ts')
  const command = [`--net=/proc/${inNetworkOf}/ns/net`, '--', process.execPath, script, '--config', config]
  await promisify(execFile)('nsenter', command)
}
