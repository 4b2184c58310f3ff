import { z } from 'zod'
import { seal, unseal } from '../core/seal.ts'

/**
 * The secrets of one release, as they lie in the KV: sealed (core/seal.ts) with the cluster key, bound to their key in
 * the bucket (keys.release). Opened, they are a JSON object of name → value, and join the release's env.
 */
export const SealedSecrets = z.object({ names: z.array(z.string()), sealed: z.string() })
export type SealedSecrets = z.infer<typeof SealedSecrets>

/** `NAME=value` of each, as they go into an instance's env; `key` is keys.release. Throws if it was tampered with. */
export function openSecrets(clusterKey: Buffer, key: string, { sealed }: SealedSecrets): string[] {
  const values = JSON.parse(unseal(clusterKey, sealed, key)) as Record<string, string>
  return Object.entries(values).map(([name, value]) => `${name}=${value}`)
}

/** The `-e` values of a release as they lie in the KV and on disks; `key` is keys.release. */
export const sealEnv = (clusterKey: Buffer, key: string, env: string[]): string =>
  seal(clusterKey, JSON.stringify(env), envContext(key))

export const openEnv = (clusterKey: Buffer, key: string, sealed: string): string[] =>
  JSON.parse(unseal(clusterKey, sealed, envContext(key))) as string[]

/** Other than that of the release's secrets: one cannot be put in the other's place. */
const envContext = (key: string) => `env of ${key}`
