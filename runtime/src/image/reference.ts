import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { archiveKind } from './archive-kind.ts'
import { dockerfileOf } from './build.ts'
import { BadReference } from './errors.ts'

export type Source =
  | { kind: 'registry'; repository: string; tag: string | undefined; digest: string | undefined }
  /** `name`: which image of several, by tag. */
  | { kind: 'docker-archive' | 'oci-archive' | 'oci'; path: string; name: string | undefined }
  | { kind: 'folder'; path: string }

/** What a person named: an image of a registry, an archive, an OCI layout, or a folder to build. Looks at the disk for paths. */
export async function parseReference(text: string): Promise<Source> {
  const transport = /^(docker-archive|oci-archive|oci):(.+)$/.exec(text)
  if (transport) {
    const [path, name] = splitName(transport[2]!)
    return { kind: transport[1] as 'docker-archive' | 'oci-archive' | 'oci', path: resolve(path), name }
  }
  if (text.startsWith('docker://')) return parseRegistryReference(text.slice('docker://'.length))
  const local = await parsePath(text)
  if (local) return local
  if (/^[./~]/.test(text))
    throw new BadReference(`${text} does not exist, or is neither a Dockerfile's folder nor an image`)
  return parseRegistryReference(text)
}

/** `path:tag`, where the path itself may hold colons only before a slash. */
function splitName(text: string): [path: string, name: string | undefined] {
  const match = /^(.*?[^/]):([^/].*)$/.exec(text)
  return match ? [match[1]!, match[2]!] : [text, undefined]
}

async function parsePath(path: string): Promise<Source | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory()) {
    if (await dockerfileOf(path)) return { kind: 'folder', path: resolve(path) }
    const isLayout = (await stat(join(path, 'oci-layout')).catch(() => undefined))?.isFile()
    return isLayout ? { kind: 'oci', path: resolve(path), name: undefined } : undefined
  }
  if (!found?.isFile()) return undefined
  return { kind: archiveKind(path), path: resolve(path), name: undefined }
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const path = new RegExp(`^${component}(?:/${component})*$`)
const tagPattern = /^[\w][\w.-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$/

/** Docker's grammar and defaults: `nginx` is docker.io/library/nginx:latest. */
export function parseRegistryReference(text: string): Source {
  const [named = '', digest, ...more] = text.split('@')
  const slash = named.indexOf('/')
  const first = slash < 0 ? '' : named.slice(0, slash)
  const hasHost = first !== '' && (/[.:]/.test(first) || first === 'localhost')
  const host = hasHost ? first : 'docker.io'
  const rest = hasHost ? named.slice(slash + 1) : named
  const colon = rest.indexOf(':')
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  const short = colon < 0 ? rest : rest.slice(0, colon)
  const name = host === 'docker.io' && !short.includes('/') ? `library/${short}` : short
  const isValid =
    path.test(name) &&
    more.length === 0 &&
    (tag === undefined || tagPattern.test(tag)) &&
    (digest === undefined || digestPattern.test(digest)) &&
    /^[\w.-]+(:\d+)?$/.test(host)
  if (!isValid) throw new BadReference(`'${text}' is not the name of an image`)
  return { kind: 'registry', repository: `${host}/${name}`, tag: tag ?? (digest ? undefined : 'latest'), digest }
}
