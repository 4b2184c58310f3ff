import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'

export interface Layout {
  /** Tars, the lowest first. */
  layers: Buffer[]
  compress?: 'gzip' | 'zstd' | 'none'
  config?: object
  architecture?: string
  /** Changes the image after its digests were taken. */
  tamper?: (image: { layers: Buffer[]; diffIds: string[] }) => void
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const compressors = { gzip: gzipSync, zstd: zstdCompressSync, none: (tar: Buffer) => tar }

/** Writes an OCI layout by hand; returns its path, which is a reference. */
export function makeLayout(folder: string, layout: Layout): string {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
  const descriptor = writeImage(folder, layout)
  writeIndex(folder, [descriptor])
  return folder
}

/** An OCI layout whose one entry is a list of images, by platform. */
export function makeListLayout(folder: string, images: Layout[]): string {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
  const manifests = images.map((image) => ({
    ...writeImage(folder, image),
    platform: { os: 'linux', architecture: image.architecture ?? 'amd64' },
  }))
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  writeIndex(folder, [
    writeBlob(folder, mediaType, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))),
  ])
  return folder
}

function writeImage(
  folder: string,
  { layers, compress = 'gzip', config = {}, architecture = 'amd64', tamper }: Layout,
) {
  const diffIds = layers.map((tar) => `sha256:${sha256(tar)}`)
  const blobs = layers.map((tar) => compressors[compress](tar))
  const suffix = compress === 'none' ? '' : `+${compress}`
  const names = blobs.map(sha256)
  tamper?.({ layers: blobs, diffIds })
  const layerDescriptors = blobs.map((blob, index) => ({
    ...writeBlob(folder, `application/vnd.oci.image.layer.v1.tar${suffix}`, blob, names[index]),
  }))
  const whole = {
    architecture,
    os: 'linux',
    config: { Cmd: ['/run'], ...config },
    rootfs: { type: 'layers', diff_ids: diffIds },
  }
  const configDescriptor = writeBlob(
    folder,
    'application/vnd.oci.image.config.v1+json',
    Buffer.from(JSON.stringify(whole)),
  )
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = { schemaVersion: 2, mediaType, config: configDescriptor, layers: layerDescriptors }
  return writeBlob(folder, mediaType, Buffer.from(JSON.stringify(manifest)))
}

function writeBlob(folder: string, mediaType: string, bytes: Buffer, name = sha256(bytes)) {
  writeFileSync(join(folder, 'blobs/sha256', name), bytes)
  return { mediaType, digest: `sha256:${name}`, size: bytes.length }
}

function writeIndex(folder: string, manifests: object[]) {
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
}
