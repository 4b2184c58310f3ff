import { basename, resolve } from 'node:path'
import { UsageError } from '../failure.ts'

/** The name an app gets when none is given: the folder's, the archive's, or the last part of the image's. */
export function defaultName(reference: string): string {
  const path = reference.replace(/^(docker-archive|oci|oci-archive):/, '')
  const last = basename(/^[.~]|\/$/.test(path) ? resolve(path) : path)
  const name = last
    .replace(/@.*$/, '')
    .replace(/:[^:]*$/, '')
    .replace(/\.(tar|tgz|tar\.gz|oci)$/i, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 63)
    .replace(/-+$/, '')
  if (name === '') throw new UsageError(`"${reference}" gives no name for the app`, 'Choose one with --name')
  return name
}
