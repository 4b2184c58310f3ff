import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { TeamId } from '../core/ids.ts'
import { UnknownUpload, UploadBroken } from './errors.ts'

const keptMs = 24 * 3_600_000

const folderOf = (dataDir: string, team: TeamId) => join(dataDir, 'uploads', team)

/** Takes an archive as it is, or unpacks a tar of a folder. The reference is good for the same team, for a day. */
export async function takeUpload(dataDir: string, team: TeamId, kind: 'archive' | 'folder', body: Readable) {
  const id = `${randomBytes(10).toString('hex')}${kind === 'archive' ? '.tar' : ''}`
  const path = join(folderOf(dataDir, team), id)
  await mkdir(folderOf(dataDir, team), { recursive: true, mode: 0o700 })
  let bytes = 0
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      bytes += chunk.length
      yield chunk
    }
  }
  try {
    if (kind === 'archive') await pipeline(body, counted, createWriteStream(path, { mode: 0o600 }))
    else await unpack(path, (into) => pipeline(body, counted, into))
  } catch (error) {
    await rm(path, { recursive: true, force: true })
    throw error instanceof UploadBroken
      ? error
      : new UploadBroken(String(error instanceof Error ? error.message : error))
  }
  return { reference: `upload:${id}`, bytes }
}

/** GNU tar refuses `..`, strips a leading `/`, and never writes through a symlink of the archive. */
async function unpack(path: string, feed: (into: Writable) => Promise<void>): Promise<void> {
  await mkdir(path, { mode: 0o700 })
  const args = ['-x', '--no-same-owner', '--no-same-permissions', '-f', '-', '-C', path]
  const tar = spawn('tar', args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let complaint = ''
  tar.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = `${complaint}${text}`.slice(-500)))
  const exited = once(tar, 'exit')
  const cut = await feed(tar.stdin).catch((error: Error) => error)
  const [code] = await exited
  if (code !== 0) throw new UploadBroken(complaint.trim() || `tar ended with ${code}`)
  if (cut) throw new UploadBroken(cut.message)
}

export async function uploadPath(dataDir: string, team: TeamId, reference: string): Promise<string> {
  const id = reference.slice('upload:'.length)
  if (!/^[0-9a-f]{20}(\.tar)?$/.test(id)) throw new UnknownUpload(reference)
  const path = join(folderOf(dataDir, team), id)
  await stat(path).catch(() => {
    throw new UnknownUpload(reference)
  })
  return path
}

/** Removes what was uploaded more than a day ago. */
export async function sweepUploads(dataDir: string, now: number): Promise<void> {
  const root = join(dataDir, 'uploads')
  for (const team of await readdir(root).catch(() => [])) {
    for (const name of await readdir(join(root, team))) {
      const path = join(root, team, name)
      if (now - (await stat(path)).mtimeMs > keptMs) await rm(path, { recursive: true, force: true })
    }
  }
}
