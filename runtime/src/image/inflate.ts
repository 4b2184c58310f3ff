import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { CorruptImage, ImageTooBig } from './errors.ts'

export interface LayerBlob {
  path: string
  /** Of the blob as it was sent. */
  digest: string
  /** Of the tar inside. */
  diffId: string
}

/** Unpacks a layer's blob into a plain tar and checks both of its digests; returns the tar's size. */
export async function inflate(blob: LayerBlob, tar: string, maxBytes: number): Promise<number> {
  const sent = new Digest()
  const plain = new Digest(maxBytes)
  const source = createReadStream(blob.path, { highWaterMark: 1024 * 1024 })
  try {
    const inflater = await inflaterOf(blob.path)
    const target = createWriteStream(tar)
    if (inflater) await pipeline(source, sent, inflater, plain, target)
    else await pipeline(source, sent, plain, target)
  } catch (error) {
    if (error instanceof ImageTooBig || (error as NodeJS.ErrnoException).syscall) throw error
    throw new CorruptImage(`the layer ${blob.digest} is truncated or damaged`, { cause: error })
  }
  if (sent.digest() !== blob.digest)
    throw new CorruptImage(`the layer ${blob.digest} has other bytes than its digest says`)
  if (plain.digest() !== blob.diffId)
    throw new CorruptImage(`the layer ${blob.digest} unpacks to other bytes than the image's config says`)
  return plain.bytes
}

/** By its first bytes: media types are often wrong, and docker-archive has none. */
async function inflaterOf(path: string): Promise<Transform | undefined> {
  await using file = await open(path)
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
  if (buffer[0] === 0x1f && buffer[1] === 0x8b) return createGunzip({ chunkSize: 1024 * 1024 })
  const magic = buffer.readUInt32LE(0)
  // zstd's skippable frames (0x184d2a5?) come first in some seekable variants
  if (magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50)
    return createZstdDecompress({ chunkSize: 1024 * 1024 })
  return undefined
}

class Digest extends Transform {
  bytes = 0
  readonly #hash = createHash('sha256')
  readonly #maxBytes: number

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    super({ highWaterMark: 1024 * 1024 })
    this.#maxBytes = maxBytes
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, chunk?: Buffer) => void) {
    this.bytes += chunk.length
    if (this.bytes > this.#maxBytes) return done(new ImageTooBig('the image unpacks to more bytes than are allowed'))
    this.#hash.update(chunk)
    done(null, chunk)
  }

  digest = () => `sha256:${this.#hash.digest('hex')}`
}
