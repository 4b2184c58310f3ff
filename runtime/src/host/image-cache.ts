import { createWriteStream, renameSync, rmSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { LittleError } from '../core/errors.ts'
import { type ImageDigest, imageDigest } from '../core/ids.ts'
import { checksum } from '../template/checksums.ts'

export class ImageNotFetched extends LittleError {
  readonly code = 'host.image_not_fetched'
  readonly status = 503
  readonly hint = 'The control serves images to its nodes: see that it runs (little status), then deploy again'
  constructor(digest: string, reason: string, options?: { cause?: unknown }) {
    super(`image ${digest.slice(0, 19)} could not be fetched: ${reason}`, options)
  }
}

/** A large image from a control that is busy takes minutes; one that hangs must not hang its starts for ever. */
const fetchDeadlineMs = 600_000

/**
 * Root file systems of images on this node, fetched once from the control. What was written is looked at once in an
 * agent's life: an image that was damaged on disk is fetched again, and never started.
 */
export class ImageCache {
  readonly #dir: string
  readonly #control: { url: string; tokenFile: string }
  readonly #fetching = new Map<ImageDigest, Promise<string>>()
  readonly #onDamaged: (digest: ImageDigest) => void

  constructor(
    dir: string,
    control: { url: string; tokenFile: string },
    onDamaged: (digest: ImageDigest) => void = () => {},
  ) {
    this.#dir = dir
    this.#control = control
    this.#onDamaged = onDamaged
  }

  /** The path of the image's erofs root; callers share one fetch. */
  get(digest: ImageDigest): Promise<string> {
    let fetching = this.#fetching.get(digest)
    if (!fetching) {
      fetching = this.#get(digest)
      this.#fetching.set(digest, fetching)
      fetching.catch(() => this.#fetching.delete(digest))
    }
    return fetching
  }

  /** All that are on the disk. */
  async list(): Promise<ImageDigest[]> {
    const names = await readdir(this.#dir).catch(() => [] as string[])
    return names.flatMap((name) => {
      const hex = /^sha256-([0-9a-f]{64})\.erofs$/.exec(name)?.[1]
      return hex ? [imageDigest(`sha256:${hex}`)] : []
    })
  }

  /** Takes one away that nobody needs; who asks for it later has it fetched again. */
  async forget(digest: ImageDigest): Promise<void> {
    const path = this.#path(digest)
    const gone = `${path}.gone`
    renameSync(path, gone) // at once with the rest: nobody finds half of it
    rmSync(sumFile(path), { force: true })
    this.#fetching.delete(digest)
    await rm(gone)
  }

  #path(digest: ImageDigest): string {
    return join(this.#dir, `${digest.replace(':', '-')}.erofs`)
  }

  async #get(digest: ImageDigest): Promise<string> {
    const path = this.#path(digest)
    const written = await readFile(sumFile(path), 'utf8').catch(() => undefined)
    if (written !== undefined) {
      if ((await checksum(path).catch(() => undefined)) === written) return path
      this.#onDamaged(digest)
    }
    await this.#fetch(digest, path)
    return path
  }

  async #fetch(digest: ImageDigest, path: string) {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    const part = `${path}.part`
    try {
      const token = (await readFile(this.#control.tokenFile, 'utf8')).trim()
      const url = `${this.#control.url}/v1/nodes/images/${encodeURIComponent(digest)}`
      const signal = AbortSignal.timeout(fetchDeadlineMs)
      const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal })
      if (!response.ok || !response.body) throw new Error(`the control answered ${response.status}`)
      await pipeline(Readable.fromWeb(response.body), createWriteStream(part, { mode: 0o600 }))
      const file = await open(part)
      await file.sync()
      await file.close()
      await writeFile(sumFile(path), await checksum(part), { mode: 0o600 })
      await rename(part, path)
    } catch (cause) {
      await rm(part, { force: true })
      throw new ImageNotFetched(digest, (cause as Error).message, { cause })
    }
  }
}

const sumFile = (path: string) => `${path}.sha256`
