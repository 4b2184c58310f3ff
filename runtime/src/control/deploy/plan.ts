import { isAbsolute } from 'node:path'
import { keys } from '../../cluster/subjects.ts'
import type { AppName, TeamId } from '../../core/ids.ts'
import { isAppName } from '../../model/app.ts'
import { type DeployRequest, hostPortOf } from '../api/schema.ts'
import type { Cloud } from '../cloud.ts'
import { hostnameOf } from '../config.ts'
import { InvalidAppName, LocalPathFromAfar, NameTaken, UnknownApp } from '../errors.ts'
import { secretValues } from '../secrets.ts'
import { uploadPath } from '../uploads.ts'
import { mayDeploy } from './release.ts'

/** All that a deploy will do, checked before anything is touched. */
export interface Plan {
  team: TeamId
  app: AppName
  by: string
  hostname: string
  /** What the person called the image, and what is imported. */
  reference: string
  source: string
  secrets: Record<string, string>
  settings: DeployRequest
}

export interface Asker {
  team: TeamId
  name: string
  /** A client on this very machine may name files of it. */
  local: boolean
}

/** Throws what is wrong with the request, as far as it can be known without importing the image. */
export async function makePlan(cloud: Cloud, asker: Asker, name: string, settings: DeployRequest): Promise<Plan> {
  if (!isAppName(name)) throw new InvalidAppName(name)
  const source = await sourceOf(cloud, asker, settings.image)
  const hostname = hostnameOf(name, cloud.config)
  const owner = await cloud.state.hostnames.get(hostname)
  if (owner && owner.value !== keys.app(asker.team, name)) throw new NameTaken(hostname)
  const port = hostPortOf(settings)
  if (port !== undefined) await cloud.ports.require(port, { team: asker.team, app: name })
  const app = (await cloud.state.apps.get(keys.app(asker.team, name)))?.value
  mayDeploy(name, app, settings.canary)
  const secrets = await secretValues(cloud, asker.team, name, app?.release ?? 0, settings.secrets)
  await cloud.hosts.choose({ team: asker.team, memoryMib: settings.memoryMib })
  return { team: asker.team, app: name, by: asker.name, hostname, reference: settings.image, source, secrets, settings }
}

/** The app's name in a path, as the name that it is. */
export function namedApp(name: string): AppName {
  if (!isAppName(name)) throw new UnknownApp(name)
  return name
}

const local = /^(docker-archive|oci|oci-archive):/

async function sourceOf(cloud: Cloud, asker: Asker, reference: string): Promise<string> {
  if (reference.startsWith('upload:')) return uploadPath(cloud.config.dataDir, asker.team, reference)
  const isPath = isAbsolute(reference) || reference.startsWith('.') || local.test(reference)
  if (isPath && !asker.local) throw new LocalPathFromAfar(reference)
  return reference
}
