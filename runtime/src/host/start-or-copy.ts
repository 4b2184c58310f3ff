import { randomBytes } from 'node:crypto'
import { type InstanceId, newId } from '../core/ids.ts'
import type { Release } from '../model/release.ts'
import { writeRecord } from './record.ts'
import { removeInstance, restore, type Started, starter, startInstance, templateOf } from './start.ts'
import type { HostTools } from './tools.ts'
import type { Warmed } from './warm-copies.ts'

/** A copy's clone hook has 5 s; the rest is for a machine that is very busy. */
const copiedWithinMs = 30_000

/** One more instance: started, or copied from the first one's warm memory where the release asks for that. */
export async function startOrCopy(release: Release, tools: HostTools, signal: AbortSignal): Promise<Started> {
  if (release.clone !== 'warm') return startInstance(release, tools, signal)
  const { warmCopies } = tools
  for (let made = warmCopies.beingMade(release); made; made = warmCopies.beingMade(release)) await made
  const warmed = warmCopies.of(release)
  const copy = warmed && (await orUndefined(release, tools, () => startCopy(release, warmed, tools)))
  return copy ?? warmCopies.make(release, () => startAndKeep(release, tools, signal))
}

async function startAndKeep(release: Release, tools: HostTools, signal: AbortSignal): Promise<Started> {
  const started = await startInstance(release, tools, signal)
  await orUndefined(release, tools, async () =>
    tools.warmCopies.keep(started.instance, release, await templateOf(release, tools)),
  )
  return started
}

/** No start and no warm-up: it goes on where the first one was. On failure nothing of it is left. */
async function startCopy(release: Release, warmed: Warmed, tools: HostTools): Promise<Started> {
  const begun = performance.now()
  const id = newId<InstanceId>('i')
  tools.busy.add(id)
  using _ = { [Symbol.dispose]: () => tools.busy.delete(id) }
  const started = await restore(id, release, await templateOf(release, tools), tools, warmed)
  const { instance } = started
  const { record, vm } = instance
  try {
    await vm.guest.becomeOwn({ ip: record.address, entropy: randomBytes(64) }, copiedWithinMs)
    await instance.ready(starter)
    Object.assign(record, warmed.found, { ready: true })
    await writeRecord(vm.dir, record)
  } catch (error) {
    await removeInstance(instance, tools)
    throw error
  }
  const { team, app, number } = release
  const message = 'copied from the first instance as it was when warm'
  const tookMs = performance.now() - begun
  tools.tell({ team, app, release: number, kind: 'parked', message, tookMs, instance: record.id })
  return started
}

/** Without warm memory everything goes on, only slower; the app's log says why. */
async function orUndefined<T>(release: Release, tools: HostTools, copying: () => Promise<T>): Promise<T | undefined> {
  try {
    return await copying()
  } catch (error) {
    await tools.warmCopies.drop(release)
    tools.log.warn(error, 'warm memory could not be used')
    const { team, app, number } = release
    const origin = { team, app, instance: '', release: number }
    tools.logs.source(origin).system(`not copied from warm memory: ${(error as Error).message}`)
    return undefined
  }
}
