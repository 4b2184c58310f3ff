import { closeSync, fsyncSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { writeErofs } from './erofs/write.ts'
import { inflate, type LayerBlob } from './inflate.ts'
import type { PackLimits } from './limits.ts'
import { type LayerTar, mergeLayers } from './merge.ts'

export interface PackJob {
  layers: LayerBlob[]
  /** A folder for the unpacked layers and for root.erofs. */
  folder: string
  /** 32 hex digits. */
  uuid: string
  limits: PackLimits
}

export type PackStep = { name: 'unpack'; detail: string } | { name: 'merge' | 'write' }

/** Layers in, `root.erofs` out; resolves with its size. Needs no privilege: owners and devices exist in the image only. */
export async function pack(job: PackJob, onStep: (step: PackStep) => void = () => {}): Promise<number> {
  const layers: LayerTar[] = []
  try {
    let left = job.limits.maxBytes
    for (const [index, blob] of job.layers.entries()) {
      onStep({ name: 'unpack', detail: `layer ${index + 1} of ${job.layers.length}` })
      const tar = join(job.folder, `${index}.tar`)
      const length = await inflate(blob, tar, left)
      left -= length
      layers.push({ fd: openSync(tar, 'r'), length })
      unlinkSync(tar) // the open file is all that is needed, and it leaves nothing behind
    }
    onStep({ name: 'merge' })
    const root = mergeLayers(layers, job.limits)
    onStep({ name: 'write' })
    const out = openSync(join(job.folder, 'root.erofs'), 'wx+', 0o600)
    try {
      const bytes = writeErofs(out, root, layers, Buffer.from(job.uuid, 'hex'))
      fsyncSync(out)
      return bytes
    } finally {
      closeSync(out)
    }
  } finally {
    for (const { fd } of layers) closeSync(fd)
  }
}
