import { chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type ImageDigest, imageDigest } from '../core/ids.ts'
import { NoCommand } from './errors.ts'
import { fetchImage, type Resolved, resolveSource } from './fetch.ts'
import { InFlight } from './in-flight.ts'
import { defaultLimits, type PackLimits, packUid } from './limits.ts'
import { packShutIn } from './pack-shut-in.ts'
import { parseReference } from './reference.ts'
import { inside } from './shut-in.ts'
import type { RegistryOptions } from './skopeo.ts'
import { findImage, newWorkFolder, type StoredImage, saveImage } from './store.ts'

export interface ImportStep {
  name: 'resolve' | 'build' | 'fetch' | 'unpack' | 'merge' | 'write'
  /** A line of the build, or which layer. */
  detail?: string
}

export interface ImportOptions extends RegistryOptions {
  dataDir: string
  onProgress?: ((step: ImportStep) => void) | undefined
  /** The caller brings a command of its own: an image without one will do. */
  hasCommand?: boolean
  limits?: Partial<PackLimits> | undefined
  /** Values for the ARGs of a folder's Dockerfile. */
  buildArgs?: Record<string, string> | undefined
}

const importing = new InFlight<StoredImage>()

/**
 * Makes an image ready to boot: afterwards its root lies under `<dataDir>/images/<digest>`, whole and synced.
 * An image that is there already costs one look at its manifest; the same one is imported once for all who ask at a time.
 */
export async function importImage(reference: string, options: ImportOptions): Promise<StoredImage> {
  const { dataDir, onProgress = () => {}, signal } = options
  onProgress({ name: 'resolve' })
  const source = await parseReference(reference)
  const onLine = (detail: string) => onProgress({ name: 'build', detail })
  const resolved = await resolveSource(reference, source, { ...options, onLine })
  const digest = imageDigest(resolved.digest)
  const image = await importing.share(`${dataDir} ${digest}`, signal, async (all) => {
    return (await findImage(dataDir, digest)) ?? (await importResolved(resolved, digest, { ...options, signal: all }))
  })
  const { entrypoint, cmd } = image.config
  if (!options.hasCommand && entrypoint.length + cmd.length === 0) throw new NoCommand(reference)
  return image
}

async function importResolved(resolved: Resolved, digest: ImageDigest, options: ImportOptions): Promise<StoredImage> {
  const { dataDir, onProgress, signal } = options
  const work = await newWorkFolder(dataDir)
  try {
    onProgress?.({ name: 'fetch' })
    const limits = { ...defaultLimits, ...options.limits }
    const { config, layers } = await fetchImage(resolved, work, { ...options, maxBlobBytes: limits.maxBytes })
    const folder = join(work, 'pack')
    await mkdir(folder)
    await chown(folder, packUid, packUid)
    const job = {
      layers: layers.map((layer) => ({ ...layer, path: join(inside.blobs, layer.path) })),
      folder: inside.folder,
      uuid: digest.slice('sha256:'.length, 'sha256:'.length + 32),
      limits,
    }
    const rootBytes = await packShutIn(work, job, { onStep: onProgress, signal })
    return await saveImage(dataDir, digest, join(folder, 'root.erofs'), { config, rootBytes })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
