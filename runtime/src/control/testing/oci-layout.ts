import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface TinyImage {
  config?: Record<string, unknown>
  architecture?: string
  /** Damages the layer after its digest was taken. */
  damaged?: boolean
}

/** Writes a valid OCI layout with one small layer; the folder's path is a reference. */
export async function writeOciLayout(dir: string, image: TinyImage = {}): Promise<string> {
  const blobs = join(dir, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const put = async (bytes: Buffer) => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(blobs, hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.length }
  }
  const layer = await put(await layerTar(`${dir}.root`))
  const config = await put(
    json({
      architecture: image.architecture ?? 'amd64',
      os: 'linux',
      config: image.config ?? { Cmd: ['/hello'], ExposedPorts: { '80/tcp': {} } },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    }),
  )
  const manifest = await put(
    json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
    }),
  )
  const index = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest }
  await writeFile(join(dir, 'index.json'), json({ schemaVersion: 2, manifests: [index] }))
  await writeFile(join(dir, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
  if (image.damaged) {
    const path = join(blobs, layer.digest.slice('sha256:'.length))
    const bytes = await readFile(path)
    bytes[600] = (bytes[600] ?? 0) ^ 1 // in the file's content: the tar itself stays readable
    await writeFile(path, bytes)
  }
  return dir
}

async function layerTar(root: string): Promise<Buffer> {
  await mkdir(root, { recursive: true })
  await writeFile(join(root, 'hello'), '#!/bin/sh\necho hello\n')
  await chmod(join(root, 'hello'), 0o755)
  await run('tar', ['-cf', `${root}.tar`, '--mtime=@0', '--owner=0', '--group=0', '-C', root, 'hello'])
  return readFile(`${root}.tar`)
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
