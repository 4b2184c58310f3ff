import { chown, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MIB } from '../core/units.ts'
import type { ImageConfig } from '../model/release.ts'
import { type BuildOptions, buildFolder } from './build.ts'
import { buildahStorage } from './buildah.ts'
import { parseConfig } from './config.ts'
import { CorruptImage } from './errors.ts'
import type { LayerBlob } from './inflate.ts'
import { packUid } from './limits.ts'
import { digestFor, parseManifest, sha256 } from './manifest.ts'
import type { Source } from './reference.ts'
import { copyImage, type RegistryOptions, rawManifest } from './skopeo.ts'

/** One image of linux/amd64, named so that a moved tag cannot change it any more. */
export interface Resolved {
  reference: string
  digest: string
  /** For skopeo. */
  address: string
}

export interface Fetched {
  digest: string
  config: ImageConfig
  layers: LayerBlob[]
}

/** Finds out which image a source stands for now; builds it if it is a folder. */
export async function resolveSource(
  reference: string,
  source: Source,
  options: RegistryOptions & BuildOptions,
): Promise<Resolved> {
  const address = await addressOf(source, options)
  const digest = digestFor(reference, await rawManifest(reference, address, options))
  const pinned = source.kind === 'registry' ? `docker://${source.repository}@${digest}` : address
  return { reference, digest, address: pinned }
}

/** Copies an image into `<work>/blobs` and reads its manifest and config; layers are not looked into here. */
export async function fetchImage(
  { reference, digest, address }: Resolved,
  work: string,
  options: RegistryOptions & { maxBlobBytes: number },
): Promise<Fetched> {
  const blobs = join(work, 'blobs')
  const tmpDir = join(work, 'tmp')
  await Promise.all([mkdir(blobs), mkdir(tmpDir)])
  await copyImage(reference, address, blobs, { ...options, tmpDir })
  const manifestText = await readJsonBlob(join(blobs, 'manifest.json'))
  if (sha256(manifestText) !== digest)
    throw new CorruptImage(`the manifest of ${reference} changed while it was read, or is damaged`)
  const manifest = parseManifest(reference, manifestText)
  const configText = await readJsonBlob(join(blobs, hex(manifest.config.digest)))
  if (sha256(configText) !== manifest.config.digest)
    throw new CorruptImage(`the config of ${reference} has other bytes than its digest says`)
  const { config, diffIds } = parseConfig(reference, configText)
  if (diffIds.length !== manifest.layers.length) {
    throw new CorruptImage(
      `${reference} has ${manifest.layers.length} layers, but its config knows of ${diffIds.length}`,
    )
  }
  await giveToPacker(blobs)
  const layers = manifest.layers.map(({ digest }, index) => ({ path: hex(digest), digest, diffId: diffIds[index]! }))
  return { digest, config, layers }
}

async function addressOf(source: Source, options: Parameters<typeof resolveSource>[2]): Promise<string> {
  if (source.kind === 'folder') {
    const tag = await buildFolder(source.path, options)
    const [, root, , runRoot, , driver] = await buildahStorage()
    return `containers-storage:[${driver}@${root}+${runRoot}]${tag}`
  }
  if (source.kind === 'registry') {
    return `docker://${source.repository}${source.digest ? `@${source.digest}` : `:${source.tag}`}`
  }
  return `${source.kind}:${source.path}${source.name ? `:${source.name}` : ''}`
}

/** What registries accept as a manifest; configs are smaller still. */
const jsonBytes = 4 * MIB

async function readJsonBlob(path: string): Promise<string> {
  const { size } = await stat(path)
  if (size > jsonBytes) throw new CorruptImage(`a manifest or config of ${size} bytes is none`)
  return await readFile(path, 'utf8')
}

async function giveToPacker(folder: string) {
  for (const name of await readdir(folder)) await chown(join(folder, name), packUid, packUid)
}

const hex = (digest: string) => digest.slice('sha256:'.length)
