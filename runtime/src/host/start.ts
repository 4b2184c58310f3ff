import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type InstanceId, newId } from '../core/ids.ts'
import type { Release } from '../model/release.ts'
import type { BuildReason, Template } from '../template/store.ts'
import type { Identity } from '../vm/guest-identity.ts'
import { MicroVm, type VmSpec } from '../vm/micro-vm.ts'
import { copyVm } from '../vm/resume.ts'
import { restoreState } from '../vm/snapshot.ts'
import { awaitHealthy } from './await-healthy.ts'
import { Instance } from './instance.ts'
import { LastLines } from './last-lines.ts'
import { MemoryImage } from './memory-image.ts'
import { awaitReady } from './ready.ts'
import { type InstanceRecord, writeRecord } from './record.ts'
import { stopSignalNumber } from './signals.ts'
import { StartCalledOff } from './start-errors.ts'
import type { HostTools } from './tools.ts'
import { instanceSpec, scratchPath } from './vm-spec.ts'
import type { Warmed } from './warm-copies.ts'
import { warmUp } from './warm-up.ts'

const run = promisify(execFile)
/** A disk that hangs must not hang a start for ever. */
const copyDeadlineMs = 120_000

/** Instances' user ids, one for each address of the subnet: nothing else on a machine uses this range. */
const firstUid = 2_000_000

export interface Started {
  instance: Instance
  lastLines: LastLines
}

/**
 * Makes one instance of a release: restored from its image's template, given identity, started, ready, warmed, parked.
 * On failure nothing of it is left.
 */
export async function startInstance(release: Release, tools: HostTools, signal: AbortSignal): Promise<Started> {
  const { team, app, number } = release
  const tell = (kind: 'template' | 'start' | 'warm' | 'parked', message: string, begun: number, instance?: string) =>
    tools.tell({
      team,
      app,
      release: number,
      kind,
      message,
      tookMs: performance.now() - begun,
      ...(instance ? { instance } : {}),
    })

  let begun = performance.now()
  let built: BuildReason | undefined
  const template = await templateOf(release, tools, (reason) => {
    built = reason
  })
  tell('template', templateSteps[built ?? 'there'], begun)

  if (signal.aborted) throw new StartCalledOff()
  const id = newId<InstanceId>('i')
  begun = performance.now()
  tools.busy.add(id)
  using _ = { [Symbol.dispose]: () => tools.busy.delete(id) }
  const { instance, lastLines } = await restore(id, release, template, tools)
  try {
    const port = await awaitReady({
      instance,
      release,
      lastLines,
      identity: await identity(release, instance.record, tools),
      signal,
    })
    instance.record.port = port
    tell('start', `the program listens on port ${port}`, begun, id)

    begun = performance.now()
    tell('warm', await warm(instance, port, release, signal), begun, id)

    begun = performance.now()
    await instance.ready(starter)
    instance.record.ready = true
    await writeRecord(instance.vm.dir, instance.record)
    tell('parked', 'asleep', begun, id)
    return { instance, lastLines }
  } catch (error) {
    await removeInstance(instance, tools)
    throw error
  }
}

/** `onBuild` is called only if it was not there. */
export async function templateOf(
  { image: { digest }, memoryMib, cpus }: Release,
  tools: HostTools,
  onBuild?: (reason: BuildReason) => void,
): Promise<Template> {
  const rootPath = await tools.rootOf(digest)
  return tools.templates.get({ digest, rootPath, memoryMib, cpus }, onBuild)
}

const templateSteps = {
  there: 'template is there',
  missing: 'booted the image up to its first instruction',
  damaged: 'the template was damaged on disk: booted the image again up to its first instruction',
} as const

/** PostgreSQL opens its port some time before it takes its first query; parked at once it would refuse the first client. */
const settleMs = 3_000

/** Its HEALTHCHECK passes first, if it has one, and is warm-up enough unless the person asked for more. */
async function warm(instance: Instance, port: number, release: Release, signal: AbortSignal): Promise<string> {
  const { record } = instance
  const health = await awaitHealthy(instance, port, release, signal)
  if (health) record.keepConnections = health.keepConnections
  if (health && !release.warm) return 'HEALTHCHECK: healthy'
  if (release.tcp) {
    await delay(settleMs)
    return 'nothing is sent: bytes of ours could mean anything to it'
  }
  const { keepConnections, requests } = await warmUp(record.address, port, release)
  record.keepConnections = keepConnections
  return `${health ? 'HEALTHCHECK: healthy, ' : ''}${requests} warm-up requests`
}

/** The keeper that an instance has while it starts. */
export const starter = 'start'

/** The microVM of a new instance, running: at its image's first instruction, or as a copy of what was warmed up. */
export async function restore(
  id: InstanceId,
  release: Release,
  template: Template,
  tools: HostTools,
  warmed?: Warmed,
): Promise<Started> {
  const { team, app } = release
  const dir = join(tools.instancesDir, id)
  const link = await tools.network.attach(id, team, release.egress)
  const undo: (() => Promise<unknown>)[] = [() => tools.network.detach(link.tap)]
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    undo.push(() => rm(dir, { recursive: true, force: true }))
    const copy = ['--sparse=always', '--reflink=auto', template.scratchPath, scratchPath(dir)]
    if (!warmed) await run('cp', copy, { timeout: copyDeadlineMs })
    const cgroups = await tools.cgroups.create(id, release.memoryMib)
    undo.push(() => tools.cgroups.remove(id))
    const record: InstanceRecord = {
      id,
      team,
      app,
      release: release.number,
      digest: release.image.digest,
      incarnation: 1,
      address: link.address,
      tap: link.tap,
      egress: release.egress,
      uid: firstUid + addressIndex(link.address),
      vcpus: release.cpus,
      memoryMib: release.memoryMib,
      createdAt: Date.now(),
      maxAwakeMs: release.maxAwakeMs,
      keepConnections: true,
      ready: false,
    }
    await writeRecord(dir, record)
    const spec = instanceSpec(record, dir, cgroups, template)
    const vm = warmed
      ? (await copyVm({ from: warmed.path, spec, ...warmed.secret })).vm
      : await fromTemplate(spec, template)
    undo.push(() => vm.kill())
    const image = new MemoryImage(record, tools)
    const { meter, boost } = tools
    const instance = new Instance({ record, vm, state: 'starting', image, meter, boost, cgroups: tools.cgroups })
    const lastLines = new LastLines()
    connectLogs(instance, lastLines, tools)
    await instance.begin(starter)
    return { instance, lastLines }
  } catch (error) {
    for (const step of undo.reverse())
      await step().catch((cause) => tools.log.warn({ cause, id }, 'clean-up after a failed start'))
    throw error
  }
}

function fromTemplate(spec: VmSpec, template: Template): Promise<MicroVm> {
  return MicroVm.startFilled(spec, async ({ qmp }) => {
    const state = openSync(template.statePath, 'r')
    await restoreState(qmp, state).finally(() => closeSync(state))
  })
}

const hookFolder = '/etc/littlecloud/hooks'

/** Everything the program writes goes to the app's log, and its last lines are kept for the error that may come. */
export function connectLogs(instance: Instance, lastLines: LastLines, tools: HostTools) {
  const { team, app, id, release } = instance.record
  const origin = { team, app, instance: id, release }
  instance.eachVm(({ guest }) => {
    const source = tools.logs.source(origin, guest)
    guest.on('log', (stream, bytes) => {
      lastLines.add(bytes)
      source.write(stream, bytes)
    })
    guest.on('dropped', (byteCount) => source.system(`${byteCount} bytes of output were lost`))
    guest.on('hookFailed', (hook, code) => {
      const how = code < 0 ? 'took too long and was ended' : `ended with exit code ${code}`
      source.system(`the hook ${hookFolder}/${hook} ${how}`)
    })
    guest.on('closed', () => source.close())
  })
  instance.on('says', (line) => tools.logs.source(origin).system(line))
}

async function identity(release: Release, record: InstanceRecord, tools: HostTools): Promise<Identity> {
  const { config } = release
  const { gateway, gatewayMac } = tools.network
  const awaited = release.port ?? config.exposedPorts[0]
  return {
    hostname: release.app,
    ip: record.address,
    gw: gateway,
    gwmac: gatewayMac,
    dns: [gateway],
    entropy: randomBytes(64),
    user: config.user,
    cwd: config.workingDir,
    env: [...config.env, ...(await tools.envOf(release))],
    args: [...config.entrypoint, ...(release.command ?? config.cmd)],
    volumes: config.volumes,
    stopSignal: stopSignalNumber(config.stopSignal),
    ports: awaited === undefined ? [] : [awaited],
  }
}

/** Ends QEMU and takes away everything the instance had on this machine. */
export async function removeInstance(instance: Instance, tools: HostTools) {
  const { id, tap } = instance.record
  tools.busy.add(id)
  using _ = { [Symbol.dispose]: () => tools.busy.delete(id) } // what a failure leaves is the reconciler's
  await instance.kill()
  await tools.network.detach(tap)
  await tools.cgroups.remove(id)
  await rm(join(tools.instancesDir, id), { recursive: true, force: true })
}

function addressIndex(address: string): number {
  const [, , c = 0, d = 0] = address.split('.').map(Number)
  return c * 256 + d
}
