import { createHash } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Bucket } from '../cluster/bucket.ts'
import { Cluster } from '../cluster/connect.ts'
import { roleRegistry, tellMetrics } from '../cluster/metrics.ts'
import { publish } from '../cluster/stream.ts'
import { type AppEvent, keys, subjects } from '../cluster/subjects.ts'
import { type EdgeId, instanceId, type NodeId, newId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import { cachePaths } from '../core/paths.ts'
import { raiseOwnMainThread } from '../core/priority.ts'
import { holdExpiryMs } from '../fabric/hold.ts'
import { defaultBudgetMib } from '../model/memory-budget.ts'
import { Node } from '../model/node.ts'
import { admits } from '../model/team.ts'
import { TemplateStore } from '../template/store.ts'
import { detectMachine, type Machine } from '../vm/accelerator.ts'
import { adoptInstances } from './adopt.ts'
import { answerQuestions } from './answers.ts'
import { Boost } from './boost.ts'
import { Cgroups, NoCgroups } from './cgroup.ts'
import type { HostConfig } from './config.ts'
import { followDesired } from './desired.ts'
import { DiskGuard } from './disk-guard.ts'
import { Fleet } from './fleet.ts'
import { HangWatch } from './hang-watch.ts'
import { serveHolds } from './hold-server.ts'
import { Holds } from './holds.ts'
import { ImageCache } from './image-cache.ts'
import type { Instance } from './instance.ts'
import { Leftovers } from './leftovers.ts'
import { LogShipper } from './log-shipper.ts'
import { Meter } from './meter.ts'
import { registerHostMetrics } from './metrics.ts'
import { HostNetwork } from './network.ts'
import { endStrayLaunchers, Reconciler } from './reconcile.ts'
import { Refusals } from './refusals.ts'
import { Secrets } from './secrets.ts'
import { announceSoftState } from './soft-state.ts'
import { forgetSuspendKey, suspendKey } from './suspend-key.ts'
import type { HostTools } from './tools.ts'
import { UsageSender } from './usage-sender.ts'
import { WarmCopies } from './warm-copies.ts'

/** User ids of templates being built; instances' are above start.ts' firstUid. */
const templateUid = 1_999_999
/** Long runs show in the costs while they go on; a crash of the agent loses at most the last second. */
const cutEveryMs = 60_000
const touchEveryMs = 1_000
/** Somebody may flush all packet rules of the machine; until the repair guests would be unfiltered. */
const repairEveryMs = 3_000
const tellRefusalsEveryMs = 10_000
const lookAtDiskEveryMs = 5_000
const lookForHangsEveryMs = 1_000

/**
 * The agent of one machine: takes over what is there, follows what should be, and gives edges holds on instances.
 * Disposing ends every instance; an agent that is killed leaves them running for the next one.
 */
export async function createHost(config: HostConfig, log: Logger): Promise<AsyncDisposable> {
  const { node, dataDir } = config
  await mkdir(join(dataDir, 'instances'), { recursive: true, mode: 0o700 })
  const machine = await detectMachine()
  const cluster = Cluster.open(config.nats, { name: node, log })
  const clusterKey = Buffer.from((await readFile(config.clusterKey, 'utf8')).trim(), 'hex')
  const network = await HostNetwork.open({ node, subnet: config.subnet })
  await network.allowEdges(config.edges)
  const meter = Meter.open({ dir: join(dataDir, 'usage'), node, isolation: machine.isolation })
  const boost = await Boost.start(cachePaths().jailBoost, log)
  const templates = await openTemplates(config, machine, network)
  const warmCopies = await WarmCopies.open(join(dataDir, 'warm'))
  const images = new ImageCache(join(dataDir, 'images'), config.control, (digest) =>
    log.error({ digest }, 'an image was damaged on disk, or is gone: it is fetched again'),
  )
  const secrets = await Secrets.open(cluster, clusterKey, join(dataDir, 'state', 'secrets.json'))
  const logs = new LogShipper(cluster, { node, dir: join(dataDir, 'logs') })

  const cgroups = await openCgroups(node, log)
  const tools: HostTools = {
    node,
    instancesDir: join(dataDir, 'instances'),
    accelerator: machine.accelerator,
    admits: (team) => admits({ isolation: machine.isolation, foreignOnEmulated: config.foreignOnEmulated }, team),
    templates,
    warmCopies,
    network,
    meter,
    boost,
    cgroups,
    busy: new Set(),
    suspendKey: await suspendKey(node),
    rootOf: (digest) => images.get(digest),
    envOf: (release) => secrets.of(release),
    tell: (event) => tellEvent(cluster, { ...event, at: Date.now(), node }, log),
    logs,
    log,
  }

  const fleet = new Fleet(tools, config.memoryBudgetMib ?? defaultBudgetMib(machine.memoryMib))
  const adopted = await adoptInstances(tools)
  for (const started of adopted) fleet.adopt(started)
  const launchers = adopted.flatMap(({ instance: { process } }) => process?.launcherPid ?? [])
  const ended = await endStrayLaunchers(dataDir, new Set(launchers))
  if (ended > 0) log.warn({ ended }, 'microVMs that an earlier agent left in the middle of their start were ended')
  if (Object.values(meter.damage).some((count) => count > 0)) log.error(meter.damage, 'usage was damaged on disk')
  // Nobody knows how much longer these ran: they end where they were last seen, in the customer's favour.
  const resumed = new Set(adopted.map(({ instance }) => instance.id))
  for (const interval of meter.leftOpen) {
    if (resumed.has(instanceId(interval.instance))) continue
    interval.end({ endUs: interval.touchedUs, edges: [], holds: [], egressBytes: 0, requests: 0 })
  }
  const holds = new Holds(fleet)
  const desired = await followDesired(cluster, fleet, node, join(dataDir, 'state'))
  const holdServer = await serveHolds(holds, {
    unix: config.holds.unix,
    tcp: config.holds.tcp && { ...config.holds.tcp, clusterKey },
  })
  const epoch = newId<EdgeId>('epoch')
  const announced = announceNode(cluster, config, machine, meter.publicKey, epoch, log)
  const registry = roleRegistry(cluster)
  registerHostMetrics(registry, { fleet, meter, logs, boost, staleSince: () => desired.staleSince })
  const stops = [
    announceSoftState(cluster, fleet, node, epoch),
    answerQuestions(cluster, fleet, node),
    tellMetrics(cluster, { role: 'host', name: node }, registry),
  ]
  const sender = new UsageSender({ meter, cluster, node })
  const reconciler = new Reconciler(fleet, tools)
  const leftovers = new Leftovers(fleet, { images, templates, log })
  const forEachInstance = (act: (instance: Instance) => void) => {
    for (const instance of fleet.instances) act(instance)
  }
  const repair = () =>
    network.repair().catch((error: unknown) => log.error(error, 'packet rules could not be repaired'))
  const refusals = new Refusals()
  const tellRefusals = () =>
    refusals
      .tell(network, fleet, logs)
      .catch((error: unknown) => log.warn({ error: String(error) }, 'refusals unknown'))
  const diskGuard = new DiskGuard(tools.instancesDir)
  const lookAtDisk = () =>
    diskGuard
      .look(fleet.instances.filter(({ state }) => state !== 'suspended'))
      .catch((error: unknown) => log.warn({ error: String(error) }, 'disk unknown'))
  const hangs = new HangWatch()
  const timers = [
    setInterval(() => hangs.look(fleet.instances, performance.now()), lookForHangsEveryMs),
    setInterval(repair, repairEveryMs),
    setInterval(tellRefusals, tellRefusalsEveryMs),
    setInterval(lookAtDisk, lookAtDiskEveryMs),
    // Adopted instances stay awake until every edge had the time to say what it holds.
    setTimeout(() => {
      for (const { instance } of adopted) instance.settle()
    }, holdExpiryMs),
    setInterval(() => forEachInstance((instance) => instance.touch(Date.now() * 1000)), touchEveryMs),
    setInterval(() => forEachInstance((instance) => instance.cutInterval(Date.now() * 1000)), cutEveryMs),
  ]
  if (!raiseOwnMainThread()) log.warn('real-time priority is refused: wakes will be late when the machine is busy')
  log.info({ adopted: adopted.length, isolation: machine.isolation }, 'the host agent is ready')

  return {
    async [Symbol.asyncDispose]() {
      reconciler[Symbol.dispose]()
      leftovers[Symbol.dispose]()
      for (const timer of timers) clearInterval(timer)
      for (const stop of stops) stop()
      await holdServer[Symbol.asyncDispose]()
      holds.close()
      await desired[Symbol.asyncDispose]()
      await fleet.close()
      await forgetSuspendKey(node, tools.instancesDir)
      await secrets[Symbol.asyncDispose]()
      await announced
      templates.close()
      await warmCopies[Symbol.asyncDispose]()
      boost?.close()
      await logs.close()
      await sender.stop()
      meter.close()
      await network.close()
      await cgroups.close?.()
      await cluster.close()
    },
  }
}

/** Without groups an instance's memory and processes are bounded by QEMU and the jail only: worse, but it works. */
async function openCgroups(node: NodeId, log: Logger): Promise<HostTools['cgroups'] & { close?(): Promise<void> }> {
  try {
    return await Cgroups.open(node)
  } catch (error) {
    if (!(error instanceof NoCgroups)) throw error
    log.warn({ error: error.message }, 'instances run without control groups')
    const nothing = async () => undefined
    return { create: async () => [], remove: nothing, restore: nothing, list: nothing, outOfMemory: nothing }
  }
}

/** Templates fit one QEMU, kernel and CPU model; the sizes and times of their files stand for their content. */
async function openTemplates({ dataDir }: HostConfig, machine: Machine, network: HostNetwork): Promise<TemplateStore> {
  const { kernel, initrd, jailRoot } = cachePaths()
  const files = await Promise.all(
    [kernel, initrd, join(jailRoot, 'qemu'), join(jailRoot, 'private-ram.so')].map((path) => stat(path)),
  )
  const facts = [machine.qemuVersion, machine.tscKhz, ...files.flatMap(({ size, mtimeMs }) => [size, mtimeMs])]
  return new TemplateStore(join(dataDir, 'templates'), {
    machine,
    fingerprint: createHash('sha256').update(facts.join('\n')).digest('hex'),
    kernel,
    initrd,
    uid: templateUid,
    withTap: (use) => network.withTap(use),
  })
}

/** The node's own entry, written again for as long as NATS does not take it. */
async function announceNode(
  cluster: Cluster,
  config: HostConfig,
  machine: Machine,
  publicKey: string,
  epoch: string,
  log: Logger,
) {
  const { node: id, region, subnet, address, holds, foreignOnEmulated } = config
  const { isolation, accelerator, cpus, memoryMib } = machine
  const entry = {
    id,
    region,
    isolation,
    accelerator,
    foreignOnEmulated,
    cpus,
    memoryMib,
    subnet,
    holds,
    publicKey,
    epoch,
    ...(address && { address }),
  }
  const bucket = new Bucket(cluster, 'nodes', Node)
  while (!cluster.closing.aborted) {
    try {
      await bucket.put(keys.node(id), entry as Node)
      return
    } catch (error) {
      log.warn({ error: String(error) }, 'the node could not be announced yet')
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
  }
}

function tellEvent(cluster: Cluster, event: AppEvent, log: Logger) {
  publish(cluster, subjects.events(event.team, event.app), event).catch((error: unknown) =>
    log.warn({ error: String(error), kind: event.kind }, 'an event was not stored'),
  )
}
