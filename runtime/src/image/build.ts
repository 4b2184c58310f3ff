import { createHash } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { buildahStorage } from './buildah.ts'
import { BadReference, BuildFailed } from './errors.ts'
import { runTool } from './run-tool.ts'

export interface BuildOptions {
  /** Values for the Dockerfile's ARGs. */
  buildArgs?: Record<string, string> | undefined
  onLine?: ((line: string) => void) | undefined
  signal?: AbortSignal | undefined
}

/** The Dockerfile or Containerfile of a folder, undefined if it has none. */
export async function dockerfileOf(folder: string): Promise<string | undefined> {
  for (const name of ['Dockerfile', 'Containerfile']) {
    const path = join(folder, name)
    const found = await stat(path).catch(() => undefined)
    if (found?.isFile()) return path
  }
  return undefined
}

/** Builds a folder's Dockerfile; resolves with the image's tag in our own buildah storage. Unchanged steps are reused. */
export async function buildFolder(folder: string, options: BuildOptions = {}): Promise<string> {
  const path = await realpath(folder)
  const dockerfile = await dockerfileOf(path)
  if (!dockerfile) throw new BadReference(`${folder} has no Dockerfile`)
  const tag = `localhost/littlecloud-folder:${createHash('sha256').update(path).digest('hex').slice(0, 16)}`
  await buildTag(path, tag, options)
  return tag
}

/** `buildah bud` as `docker build` would do it; the docker format keeps HEALTHCHECK, which OCI's has no place for. */
export async function buildTag(folder: string, tag: string, options: BuildOptions = {}): Promise<void> {
  const { buildArgs = {}, onLine, signal } = options
  const args = [
    ...(await buildahStorage()),
    'bud',
    '--isolation',
    'chroot',
    '--layers',
    '--format',
    'docker',
    '-t',
    tag,
  ]
  for (const [name, value] of Object.entries(buildArgs)) args.push('--build-arg', `${name}=${value}`)
  args.push(folder)
  const { code, tail } = await runTool('buildah', args, { onLine, signal, ownMounts: true })
  if (code !== 0) {
    const lastLines = tail.trimEnd().split('\n').slice(-12).join('\n')
    throw new BuildFailed(`the build of ${folder} failed:\n${lastLines}`)
  }
}
