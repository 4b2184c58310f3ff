import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { instanceId } from '../core/ids.ts'
import { findLaunched } from '../vm/launch.ts'
import { MicroVm } from '../vm/micro-vm.ts'
import { templateRam } from '../vm/own-pages.ts'
import { severalAtOnce } from '../vm/several-at-once.ts'
import { Instance } from './instance.ts'
import { LastLines } from './last-lines.ts'
import { isSuspended, MemoryImage } from './memory-image.ts'
import { type InstanceRecord, readRecord } from './record.ts'
import { connectLogs, type Started } from './start.ts'
import type { HostTools } from './tools.ts'

/** Each is a few questions to a process that has to be woken for them: a thousand should not wait for one another. */
const atOnce = 16

/**
 * Takes over what an earlier agent left running, and cleans up what cannot be taken over. An instance that was still
 * starting is of no use: its start had no end, and nobody waits for it.
 */
export async function adoptInstances(tools: HostTools): Promise<Started[]> {
  const adopted: Started[] = []
  const folders = await readdir(tools.instancesDir).catch(() => [] as string[])
  await severalAtOnce(folders, atOnce, async (folder) => {
    const dir = join(tools.instancesDir, folder)
    const record = await readRecord(dir)
    try {
      const started = record?.ready ? await adopt(dir, record, tools) : undefined
      if (started) adopted.push(started)
      else await cleanUp(dir, record, tools)
    } catch (error) {
      tools.log.warn({ err: error, folder }, 'an instance could not be taken over and is ended')
      await cleanUp(dir, record, tools)
    }
  })
  await tools.network.repair() // all their rules in one step
  await removeStrayTaps(adopted, tools)
  return adopted.sort((a, b) => a.instance.record.createdAt - b.instance.record.createdAt)
}

async function adopt(dir: string, record: InstanceRecord, tools: HostTools): Promise<Started | undefined> {
  if (isSuspended(dir)) return adoptSuspended(dir, record, tools)
  const process = await findLaunched(dir)
  if (!process) return undefined
  tools.network.reserve(record.address, record.tap, record.team, record.egress)
  tools.boost?.reset(process.pid)
  const { digest, memoryMib, vcpus: cpus } = record
  tools.templates.offer({ digest, memoryMib, cpus }, templateRam(process.pid))
  const vm = await MicroVm.adopt(dir, process)
  const { running } = await vm.qmp.execute('query-status')
  const interval = tools.meter.leftOpen.find(({ instance }) => instance === record.id)
  const state = running ? 'running' : 'parked'
  const image = new MemoryImage(record, tools)
  const { meter, boost, cgroups } = tools
  const instance = new Instance({ record, vm, state, image, meter, boost, cgroups, interval })
  const lastLines = new LastLines()
  connectLogs(instance, lastLines, tools)
  instance.adopted(Date.now() * 1000)
  return { instance, lastLines }
}

/** Its process, if there is one, was only just going or coming: it has run nothing that is not in the image. */
async function adoptSuspended(dir: string, record: InstanceRecord, tools: HostTools): Promise<Started> {
  const process = await findLaunched(dir)
  process?.kill()
  await process?.gone()
  await tools.cgroups.remove(record.id)
  tools.network.reserve(record.address, record.tap, record.team, record.egress)
  const image = new MemoryImage(record, tools)
  const { meter, boost, cgroups } = tools
  const instance = new Instance({ record, vm: undefined, state: 'suspended', image, meter, boost, cgroups })
  const lastLines = new LastLines()
  connectLogs(instance, lastLines, tools)
  return { instance, lastLines }
}

async function cleanUp(dir: string, record: InstanceRecord | undefined, tools: HostTools) {
  const process = await findLaunched(dir)
  process?.kill()
  await process?.gone()
  if (record) {
    await tools.network.detach(record.tap)
    await tools.cgroups.remove(instanceId(record.id))
  }
  await rm(dir, { recursive: true, force: true })
}

async function removeStrayTaps(adopted: Started[], tools: HostTools) {
  const ours = new Set(adopted.map(({ instance }) => instance.record.tap))
  for (const tap of await tools.network.list()) {
    if (!ours.has(tap)) await tools.network.detach(tap)
  }
}
