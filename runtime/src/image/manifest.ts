import { createHash } from 'node:crypto'
import { z } from 'zod'
import { CorruptImage, WrongPlatform } from './errors.ts'

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const platform = z.object({ architecture: z.string(), os: z.string(), variant: z.string().optional() })

/** A manifest of one image, Docker's schema 2 or OCI's: the fields that we need are the same. */
export const Manifest = z.object({
  config: z.object({ digest }),
  layers: z.array(z.object({ digest })).max(1000), // Docker's own limit is 127
})
export type Manifest = z.infer<typeof Manifest>

/** A list of images by platform. */
const ManifestList = z.object({
  manifests: z.array(z.object({ digest, platform: platform.optional() })),
})

export const sha256 = (bytes: string | Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** The digest of the linux/amd64 image that a raw manifest, or list of them, stands for. */
export function digestFor(reference: string, raw: string): string {
  const json = parseJson(reference, raw)
  const list = ManifestList.safeParse(json)
  if (!list.success) {
    parseManifest(reference, raw)
    return sha256(raw)
  }
  const { manifests } = list.data
  const fitting = manifests.find(({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64')
  if (fitting) return fitting.digest
  // Build tools add attestations as images of the platform unknown/unknown.
  const named = manifests.flatMap(({ platform }) => (platform && platform.os !== 'unknown' ? [platform] : []))
  if (named.length === 0 && manifests.length === 1 && !manifests[0]!.platform) return manifests[0]!.digest
  throw new WrongPlatform(
    reference,
    named.map(({ os, architecture, variant }) => [os, architecture, variant].filter(Boolean).join('/')),
  )
}

export function parseManifest(reference: string, raw: string): Manifest {
  const parsed = Manifest.safeParse(parseJson(reference, raw))
  if (parsed.success) return parsed.data
  throw new CorruptImage(
    `${reference} has a manifest that is neither Docker's schema 2 nor OCI's: ${z.prettifyError(parsed.error)}`,
  )
}

export function parseJson(reference: string, raw: string): unknown {
  try {
    return JSON.parse(raw)
  } catch (error) {
    throw new CorruptImage(`${reference} has a manifest or config that is not JSON`, { cause: error })
  }
}
