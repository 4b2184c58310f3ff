import { list } from '../cluster/list.ts'
import type { ImageDigest } from '../core/ids.ts'
import { type ImportStep, importImage } from '../image/import.ts'
import { removeImage } from '../image/store.ts'
import type { ImageConfig } from '../model/release.ts'
import type { Cloud } from './cloud.ts'
import type { Plan } from './deploy/plan.ts'
import type { Tell } from './deploy/steps.ts'
import { DeployCancelled } from './errors.ts'

export interface Imported {
  digest: ImageDigest
  config: ImageConfig
  rootBytes: number
}

/**
 * The image as a root file system on this machine's disk. Until its scope ends nobody removes it; afterwards it stays
 * only if a release has it.
 */
export async function importing(
  cloud: Cloud,
  plan: Plan,
  tell: Tell,
  signal: AbortSignal,
): Promise<Imported & AsyncDisposable> {
  const begun = performance.now()
  const progress = ({ name, detail }: ImportStep) => {
    const message = detail ? `${name}: ${detail}` : name
    tell({ type: 'progress', step: 'image', message, tookMs: performance.now() - begun })
  }
  const image = await importImage(plan.source, {
    dataDir: cloud.config.dataDir,
    tlsVerify: !plan.settings.insecureRegistry,
    onProgress: progress,
    hasCommand: plan.settings.command !== undefined,
    signal,
  }).catch((error: unknown) => {
    throw signal.aborted ? new DeployCancelled(String(signal.reason)) : error
  })
  const { digest } = image
  cloud.imagesInUse.set(digest, (cloud.imagesInUse.get(digest) ?? 0) + 1)
  return {
    ...image,
    async [Symbol.asyncDispose]() {
      const left = (cloud.imagesInUse.get(digest) ?? 1) - 1
      if (left > 0) cloud.imagesInUse.set(digest, left)
      else cloud.imagesInUse.delete(digest)
      await dropImage(cloud, digest)
    },
  }
}

/** Removes an image that neither a deploy in flight nor a release that could serve needs. */
export async function dropImage(cloud: Cloud, digest: ImageDigest): Promise<void> {
  if (cloud.imagesInUse.has(digest)) return
  const releases = await list(cloud.state.releases)
  if (releases.some(({ value }) => value.image.digest === digest && !value.failure)) return
  if (cloud.imagesInUse.has(digest)) return // a deploy began meanwhile
  await removeImage(cloud.config.dataDir, digest)
}
