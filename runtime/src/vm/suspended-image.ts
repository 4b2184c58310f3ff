import { createHash, hkdfSync, randomBytes, timingSafeEqual, webcrypto } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Extent, inChunks } from './extents.ts'
import { FileTooShort, readAt, writeAt } from './read-at.ts'
import { severalAtOnce } from './several-at-once.ts'
import { SuspendedImageCorrupt, SuspendedImageDoesNotFit } from './suspend-errors.ts'

/**
 * A suspended microVM on disk, one file:
 *
 *   magic 8 · salt 16 · whose key 8 · what it fits 32 · bytes of the directory 4 · directory · chunks
 *
 * The directory (JSON) lists the extents that follow, one after another, in chunks of at most 1 MiB. Directory and chunks are
 * sealed by AES-256-GCM under a key of this file alone (HKDF of the node's key and the salt), with their number as
 * nonce: no chunk can be changed, left out or put elsewhere. The head is authenticated with the directory.
 */
const magic = Buffer.from('LCSUSP1\n')
const field = { salt: 8, keyId: 24, fits: 32, directoryBytes: 64, end: 68 }
const chunkBytes = 1024 * 1024
const sealBytes = 16
/** Reading, sealing and writing are work of the thread pool, which has four threads. */
const chunksAtOnce = 4

/** What an image is made of, in this order. */
const kinds = ['scratch', 'ram', 'state'] as const
type Kind = (typeof kinds)[number]

/** Where the extents of a kind are read from or written to; `base` is the file position of an extent at 0. */
export interface Place {
  file: FileHandle
  base: number
}

type Directory = Record<Kind, Extent[]> & { scratchBytes: number; logContinues: boolean }

export interface ImageSecret {
  /** 32 bytes, of this node. */
  key: Buffer
  /** What it can be resumed with: template, QEMU, kernel, CPU. */
  fits: string
}

/** Writes it all under that name, in one step: it is there whole or not at all. */
export async function writeImage(
  path: string,
  { key, fits }: ImageSecret,
  directory: Directory,
  places: Record<Kind, Place>,
) {
  const salt = randomBytes(16)
  const own = await fileKey(key, salt)
  const listed = Buffer.from(JSON.stringify(directory))
  const head = headOf(salt, key, fits, listed.length + sealBytes)
  const written = `${path}.new`
  try {
    await using file = await open(written, 'w', 0o600)
    await writeAt(file, head, 0)
    await writeAt(file, await seal(own, 0, listed, head), head.length)
    const begin = head.length + listed.length + sealBytes
    await severalAtOnce(chunksOf(directory), chunksAtOnce, async ({ number, kind, extents, position }) => {
      await writeAt(file, await seal(own, number, await gather(extents, places[kind])), begin + position)
    })
    await file.sync() // an error of the disk must show now, while the microVM is still there
  } catch (error) {
    await rm(written, { force: true })
    throw error
  }
  await rename(written, path)
  await using folder = await open(dirname(path))
  await folder.sync()
}

/** An image that is open to be read: it fits, and its directory is what was written. */
export class SuspendedImage implements AsyncDisposable {
  readonly directory: Directory
  readonly #file: FileHandle
  readonly #key: webcrypto.CryptoKey
  readonly #begin: number

  private constructor(file: FileHandle, key: webcrypto.CryptoKey, directory: Directory, begin: number) {
    this.#file = file
    this.#key = key
    this.directory = directory
    this.#begin = begin
  }

  /** Throws SuspendedImageDoesNotFit or SuspendedImageCorrupt. */
  static async open(path: string, { key, fits }: ImageSecret): Promise<SuspendedImage> {
    const file = await open(path).catch((cause) => {
      throw new SuspendedImageCorrupt('it is gone', { cause })
    })
    try {
      const head = Buffer.alloc(field.end)
      await readAt(file, head, 0)
      if (!head.subarray(0, field.salt).equals(magic)) throw new SuspendedImageCorrupt('it begins otherwise')
      if (!timingSafeEqual(head.subarray(field.keyId, field.fits), keyId(key))) {
        throw new SuspendedImageDoesNotFit('its key went when the machine was turned off')
      }
      if (!head.subarray(field.fits, field.directoryBytes).equals(digest(fits))) {
        throw new SuspendedImageDoesNotFit('template, QEMU, kernel or CPU are others than then')
      }
      const sealed = Buffer.alloc(head.readUInt32LE(field.directoryBytes))
      await readAt(file, sealed, field.end)
      const own = await fileKey(key, head.subarray(field.salt, field.keyId))
      const directory = JSON.parse((await unseal(own, 0, sealed, head)).toString()) as Directory
      return new SuspendedImage(file, own, directory, field.end + sealed.length)
    } catch (error) {
      await file.close()
      throw corruptIfShort(error)
    }
  }

  /** Writes everything of that kind to where it belongs. */
  async restore(wanted: Kind, place: Place) {
    const chunks = chunksOf(this.directory).filter(({ kind }) => kind === wanted)
    await severalAtOnce(chunks, chunksAtOnce, async ({ number, extents, position }) => {
      const sealed = Buffer.alloc(totalBytes(extents) + sealBytes)
      await readAt(this.#file, sealed, this.#begin + position).catch((error: unknown) => {
        throw corruptIfShort(error)
      })
      await scatter(await unseal(this.#key, number, sealed), extents, place)
    })
  }

  async [Symbol.asyncDispose]() {
    await this.#file.close()
  }
}

export const totalBytes = (extents: Extent[]) => extents.reduce((sum, { bytes }) => sum + bytes, 0)

/** No chunk holds more than one kind. `position` counts from the end of the directory. */
function chunksOf(directory: Directory) {
  let position = 0
  const chunks = kinds.flatMap((kind) => inChunks(directory[kind], chunkBytes).map((extents) => ({ kind, extents })))
  return chunks.map((chunk, index) => {
    const placed = { ...chunk, number: index + 1, position }
    position += totalBytes(chunk.extents) + sealBytes
    return placed
  })
}

async function gather(extents: Extent[], { file, base }: Place): Promise<Bytes> {
  const chunk = Buffer.alloc(totalBytes(extents))
  let done = 0
  for (const { at, bytes } of extents) {
    await readAt(file, chunk.subarray(done, done + bytes), base + at)
    done += bytes
  }
  return chunk
}

async function scatter(chunk: Buffer, extents: Extent[], { file, base }: Place) {
  let done = 0
  for (const { at, bytes } of extents) {
    await writeAt(file, chunk.subarray(done, done + bytes), base + at)
    done += bytes
  }
}

function headOf(salt: Buffer, key: Buffer, fits: string, directoryBytes: number): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(directoryBytes)
  return Buffer.concat([magic, salt, keyId(key), digest(fits), length])
}

const digest = (text: string) => createHash('sha256').update(text).digest()
/** Tells a key that is gone from a file that is damaged, and tells nothing of the key. */
const keyId = (key: Buffer) => Buffer.from(hkdfSync('sha256', key, '', 'littlecloud suspended key id', 8))

function fileKey(key: Buffer, salt: Buffer): Promise<webcrypto.CryptoKey> {
  const own = hkdfSync('sha256', key, salt, 'littlecloud suspended image', 32)
  return webcrypto.subtle.importKey('raw', own, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

function parameters(number: number, additionalData: Buffer) {
  const iv = Buffer.alloc(12)
  iv.writeUInt32LE(number)
  return { name: 'AES-GCM', iv, additionalData }
}

const nothing = Buffer.alloc(0)
type Bytes = Buffer<ArrayBuffer>

async function seal(key: webcrypto.CryptoKey, number: number, bytes: Bytes, head: Buffer = nothing): Promise<Buffer> {
  return Buffer.from(await webcrypto.subtle.encrypt(parameters(number, head), key, bytes))
}

async function unseal(key: webcrypto.CryptoKey, number: number, bytes: Bytes, head: Buffer = nothing) {
  try {
    return Buffer.from(await webcrypto.subtle.decrypt(parameters(number, head), key, bytes))
  } catch (cause) {
    throw new SuspendedImageCorrupt(`the checksum of its part ${number} is wrong`, { cause })
  }
}

const corruptIfShort = (error: unknown) =>
  error instanceof FileTooShort ? new SuspendedImageCorrupt(error.message, { cause: error }) : error
