import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { chown, mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { ImageDigest } from '../core/ids.ts'
import { ImageConfig } from '../model/release.ts'

export interface StoredImage {
  digest: ImageDigest
  config: ImageConfig
  /** An erofs image, read-only, shared by all instances. */
  rootPath: string
  rootBytes: number
}

const Record = z.object({ config: ImageConfig, rootBytes: z.number().int() })

const imagesDir = (dataDir: string) => join(dataDir, 'images')

export function imagePaths(dataDir: string, digest: ImageDigest) {
  const folder = join(imagesDir(dataDir), digest.slice('sha256:'.length))
  return { folder, root: join(folder, 'root.erofs'), config: join(folder, 'config.json') }
}

/** An image that was imported before; undefined if there is none. */
export async function findImage(dataDir: string, digest: ImageDigest): Promise<StoredImage | undefined> {
  const paths = imagePaths(dataDir, digest)
  const text = await readFile(paths.config, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : { digest, rootPath: paths.root, ...Record.parse(JSON.parse(text)) }
}

/** Moves a finished `root.erofs` into its place: after this it is whole on the disk, before it is not there at all. */
export async function saveImage(
  dataDir: string,
  digest: ImageDigest,
  root: string,
  record: z.infer<typeof Record>,
): Promise<StoredImage> {
  const paths = imagePaths(dataDir, digest)
  const fresh = await mkdtemp(join(imagesDir(dataDir), `.new-${process.pid}-`))
  await chown(root, 0, 0)
  await rename(root, join(fresh, 'root.erofs')) // its bytes were synced when it was written
  await writeSynced(join(fresh, 'config.json'), JSON.stringify(record))
  await syncFolder(fresh)
  await rename(fresh, paths.folder).catch(async (error: NodeJS.ErrnoException) => {
    await rm(fresh, { recursive: true })
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error // another process was first with the same image
  })
  await syncFolder(imagesDir(dataDir))
  return { digest, rootPath: paths.root, ...record }
}

/** Forgets an image. Instances that have it open keep it until they end. */
export async function removeImage(dataDir: string, digest: ImageDigest): Promise<void> {
  // One step for whoever looks at the same time: the image is there whole, or not at all.
  const doomed = join(imagesDir(dataDir), `.old-${process.pid}-${randomUUID()}`)
  await rename(imagePaths(dataDir, digest).folder, doomed).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  await rm(doomed, { recursive: true, force: true })
}

/** A folder for one import; what a process that was killed left behind is cleared away first. */
export async function newWorkFolder(dataDir: string): Promise<string> {
  const images = imagesDir(dataDir)
  await mkdir(images, { recursive: true, mode: 0o700 })
  for (const name of await readdir(images)) {
    const pid = /^\.(?:work|new|old)-(\d+)-/.exec(name)?.[1]
    if (pid && !isAlive(Number(pid))) await rm(join(images, name), { recursive: true, force: true })
  }
  return await mkdtemp(join(images, `.work-${process.pid}-`))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function writeSynced(path: string, text: string) {
  await using file = await open(path, 'w', 0o600)
  await file.writeFile(text)
  await file.sync()
}

async function syncFolder(path: string) {
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  await folder.sync()
}
