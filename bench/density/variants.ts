import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { link, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { makeTar } from '../../test/images/make-tar.ts'

const run = promisify(execFile)

interface Blob {
  mediaType: string
  digest: string
  size: number
}

const types = {
  layer: 'application/vnd.oci.image.layer.v1.tar',
  config: 'application/vnd.oci.image.config.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
}
const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/**
 * Images that differ from an example's by one layer, as OCI layouts; the base's layers lie on the disk once. Returns
 * their references.
 */
export async function makeVariants(folder: string, image: string, count: number): Promise<string[]> {
  const base = join(folder, `${image}-base`)
  await mkdir(base, { recursive: true })
  await run('tar', ['-xf', (await ensureExampleImage(image)).replace('docker-archive:', ''), '-C', base])
  const [entry] = JSON.parse(await readFile(join(base, 'manifest.json'), 'utf8')) as {
    Config: string
    Layers: string[]
  }[]
  if (!entry) throw new Error(`the archive of ${image} holds no image`)
  const config = JSON.parse(await readFile(join(base, entry.Config), 'utf8')) as { rootfs: { diff_ids: string[] } }
  const layers: (Blob & { path: string })[] = []
  for (const [index, name] of entry.Layers.entries()) {
    const path = join(base, name)
    const { size } = await stat(path)
    layers.push({ mediaType: types.layer, digest: config.rootfs.diff_ids[index]!, size, path })
  }
  const references: string[] = []
  for (let variant = 0; variant < count; variant++) {
    const layout = join(folder, `${image}-${variant}`)
    await writeVariant(layout, layers, config, Buffer.from(`variant ${variant} of ${image}\n`))
    references.push(`oci:${layout}`)
  }
  return references
}

async function writeVariant(
  layout: string,
  layers: (Blob & { path: string })[],
  config: { rootfs: { diff_ids: string[] } },
  content: Buffer,
) {
  const blobs = join(layout, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const write = async (mediaType: string, bytes: Buffer): Promise<Blob> => {
    const digest = digestOf(bytes)
    await writeFile(join(blobs, digest.slice('sha256:'.length)), bytes)
    return { mediaType, digest, size: bytes.length }
  }
  for (const { path, digest } of layers) await link(path, join(blobs, digest.slice('sha256:'.length)))
  const own = await write(
    types.layer,
    makeTar([
      { name: 'etc/', type: 'folder' },
      { name: 'etc/variant', content },
    ]),
  )
  const whole = { ...config, rootfs: { ...config.rootfs, diff_ids: [...config.rootfs.diff_ids, own.digest] } }
  const configBlob = await write(types.config, Buffer.from(JSON.stringify(whole)))
  const listed = [...layers.map(({ path: _, ...blob }) => blob), own]
  const manifest = { schemaVersion: 2, mediaType: types.manifest, config: configBlob, layers: listed }
  const manifestBlob = await write(types.manifest, Buffer.from(JSON.stringify(manifest)))
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifestBlob] }))
}
