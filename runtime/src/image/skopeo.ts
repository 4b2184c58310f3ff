import type { LittleError } from '../core/errors.ts'
import {
  CorruptImage,
  ImageNotFound,
  ImageTooBig,
  ImageUnauthorized,
  RegistryUnreachable,
  RegistryWithoutTls,
  ToolFailed,
  WrongPlatform,
} from './errors.ts'
import { runTool } from './run-tool.ts'

export interface RegistryOptions {
  /** false: accept plain HTTP and any certificate. */
  tlsVerify?: boolean | undefined
  /** Instead of the files that docker login and podman login write. */
  authFile?: string | undefined
  signal?: AbortSignal | undefined
}

/** The raw manifest, or list of manifests, that a skopeo address (`docker://…`, `oci:…`) names. */
export async function rawManifest(reference: string, address: string, options: RegistryOptions): Promise<string> {
  const args = ['inspect', '--raw', ...flags(options, 'tls-verify'), address]
  return await skopeo(reference, args, options.signal)
}

/**
 * Copies one image for linux/amd64 into a folder, byte for byte: `manifest.json`, and each blob by its hex digest.
 * An OCI layout would not do as the target: skopeo converts Docker's config for it and drops the healthcheck.
 */
export async function copyImage(
  reference: string,
  address: string,
  folder: string,
  options: RegistryOptions & { tmpDir: string; maxBlobBytes: number },
) {
  const platform = ['--override-os', 'linux', '--override-arch', 'amd64', '--tmpdir', options.tmpDir]
  const args = [...platform, 'copy', '--quiet', ...flags(options, 'src-tls-verify'), address, `dir:${folder}`]
  await skopeo(reference, args, options.signal, options.maxBlobBytes)
}

const flags = ({ tlsVerify = true, authFile }: RegistryOptions, tlsFlag: string) => [
  ...(authFile ? [`--authfile=${authFile}`] : []),
  `--${tlsFlag}=${tlsVerify}`,
  '--retry-times=2',
]

async function skopeo(reference: string, args: string[], signal?: AbortSignal, maxFileBytes?: number): Promise<string> {
  // A registry may send without end: no file becomes larger than this.
  const bounded = [`--fsize=${maxFileBytes ?? 'unlimited'}`, 'skopeo', '--insecure-policy', ...args]
  const { code, stdout, tail } = await runTool('prlimit', bounded, { signal, ownMounts: true })
  if (code === 0) return stdout
  throw explain(reference, tail)
}

/** skopeo tells its failures in words only; the first that fits counts. */
const failures: [RegExp, (reference: string, why: string) => LittleError][] = [
  [/file too large/, (reference) => new ImageTooBig(`a layer of ${reference} is larger than is allowed`)],
  [/no image found in (manifest list|image index)/, (reference) => new WrongPlatform(reference, [])],
  [
    /unauthorized|authentication required|access to the resource is denied|denied:|invalid username\/password|\b403\b/i,
    (reference) => new ImageUnauthorized(`the registry does not let us read ${reference}`),
  ],
  [
    /manifest unknown|name unknown|\b404\b|no descriptor found for reference|reference .* not found|no such file or directory/i,
    (reference) => new ImageNotFound(`there is no image ${reference}`),
  ],
  [
    /server gave HTTP response to HTTPS client/,
    (reference) => new RegistryWithoutTls(`the registry of ${reference} speaks no TLS`),
  ],
  [
    /dial tcp|no such host|connection re(fused|set)|i\/o timeout|tls:|x509:|TLS handshake|too many requests|\b50[0234]\b/i,
    (reference, why) => new RegistryUnreachable(`the registry of ${reference} could not be reached: ${why}`),
  ],
  [
    /unexpected EOF|invalid tar|invalid header|checksum|digest|corrupt|does not match|invalid character|unsupported|not found in tar|more than one image/i,
    (reference, why) => new CorruptImage(`${reference} is truncated or damaged: ${why}`),
  ],
]

function explain(reference: string, tail: string): LittleError {
  const line = tail.trim().split('\n').at(-1) ?? ''
  const message = /msg="(.*)"$/.exec(line)?.[1]?.replaceAll('\\"', '"') ?? line
  const why = message.split(': ').slice(-3).join(': ')
  const known = failures.find(([pattern]) => pattern.test(message))
  return known ? known[1](reference, why) : new ToolFailed(`skopeo could not read ${reference}: ${why}`)
}
