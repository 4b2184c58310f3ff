import { spawn } from 'node:child_process'
import { createReadStream, existsSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { Readable, Transform } from 'node:stream'
import type { Client } from '../../sdk/src/index.ts'
import { UsageError } from '../failure.ts'
import type { Progress } from '../progress.ts'
import { isLoopback } from '../session.ts'
import { bytes } from '../show.ts'

/**
 * The reference as the cloud can use it. What lies on this disk goes by its absolute path to a cloud on this machine,
 * and is sent to any other.
 */
export async function imageFor(
  client: Client,
  reference: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  const { transport, path, name } = split(reference)
  const found = await stat(path).catch(() => undefined)
  if (!found) {
    const looksLocal = transport !== '' || /^[./~]/.test(reference) || /\.(tar|tgz)$/.test(reference)
    if (!looksLocal) return reference
    throw new UsageError(`there is no ${path}`, 'Give a folder with a Dockerfile, an image archive, or an image name')
  }
  if (isLoopback(client.url)) return `${transport}${path}${name}`
  if (name) throw new UsageError(`${name.slice(1)} cannot be chosen from here`, 'Give an archive of that image alone')
  return upload(client, path, found.isDirectory(), progress, signal)
}

/** `oci:./layout:v2` names one of several images; the path itself may hold a colon too, so what exists wins. */
function split(reference: string): { transport: string; path: string; name: string } {
  const match = /^(docker-archive:|oci-archive:|oci:)?(.*)$/s.exec(reference)
  const [transport, given] = [match?.[1] ?? '', (match?.[2] ?? reference).replace(/^~(?=\/|$)/, homedir())]
  const named = transport && !existsSync(given) ? /^(.+?)(:.+)$/s.exec(given) : null
  return { transport, path: resolve(named?.[1] ?? given), name: named?.[2] ?? '' }
}

async function upload(client: Client, path: string, isFolder: boolean, progress: Progress, signal: AbortSignal) {
  const begun = performance.now()
  let sent = 0
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.length
      progress.now(`upload    ${bytes(sent)}`)
      done(null, chunk)
    },
  })
  await using file: FileHandle | undefined = isFolder ? undefined : await open(path)
  const source = file ? createReadStream('', { fd: file.fd, autoClose: false }) : tarOf(path)
  source.on('error', (error) => count.destroy(error))
  const body = Readable.toWeb(source.pipe(count)) as ReadableStream<Uint8Array>
  const { reference } = await client.upload(isFolder ? 'folder' : 'archive', body, { signal })
  progress.done('upload', bytes(sent), performance.now() - begun)
  return reference
}

/** The folder without what git keeps of it; a .dockerignore is honoured by the build itself. */
function tarOf(folder: string): Readable {
  const tar = spawn('tar', ['-c', '--exclude=./.git', '-C', folder, '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
  tar.once('exit', (code) => {
    if (code !== 0)
      tar.stdout.destroy(new UsageError(`${folder} could not be read (tar ended with ${code})`, 'See above'))
  })
  return tar.stdout
}
