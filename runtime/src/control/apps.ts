import type { Entry } from '../cluster/bucket.ts'
import { list } from '../cluster/list.ts'
import { keys } from '../cluster/subjects.ts'
import { raise } from '../core/errors.ts'
import type { AppName, TeamId } from '../core/ids.ts'
import { type App, stoppedApp } from '../model/app.ts'
import type { Release } from '../model/release.ts'
import type { AppView, InstanceView, ReleaseView } from './api/schema.ts'
import { changing } from './changing.ts'
import type { Cloud } from './cloud.ts'
import { type Addresses, addressOf } from './config.ts'
import { UnknownApp } from './errors.ts'
import { endPlacements, removeApp } from './remove-app.ts'

export async function listApps(cloud: Cloud, team: TeamId): Promise<AppView[]> {
  const releases = new Map((await list(cloud.state.releases, `${team}.>`)).map(({ key, value }) => [key, value]))
  const apps = await list(cloud.state.apps, `${team}.*`)
  return apps
    .map(({ value }) => appView(value, releases.get(keys.release(team, value.name, value.release)), cloud.config))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export async function oneApp(cloud: Cloud, team: TeamId, name: AppName): Promise<AppView> {
  const app = await knownApp(cloud, team, name)
  const release = await cloud.state.releases.get(keys.release(team, name, app.release))
  return appView(app, release?.value, cloud.config)
}

export async function knownApp(cloud: Cloud, team: TeamId, name: AppName): Promise<App> {
  return (await knownEntry(cloud, team, name)).value
}

/** With the revision that a change compares. */
export async function knownEntry(cloud: Cloud, team: TeamId, name: AppName): Promise<Entry<App>> {
  return (await cloud.state.apps.get(keys.app(team, name))) ?? raise(new UnknownApp(name))
}

export async function listReleases(cloud: Cloud, team: TeamId, name: AppName): Promise<ReleaseView[]> {
  const app = await knownApp(cloud, team, name)
  const releases = await list(cloud.state.releases, `${keys.app(team, name)}.*`)
  const kept = app.kept && (await isKept(cloud, app, app.kept)) ? app.kept.release : undefined
  return releases.map(({ value }) => releaseView(value, app, kept)).toSorted((a, b) => b.number - a.number)
}

/** The instances of all the team's apps, or of one, as their nodes answer. */
export async function listInstances(cloud: Cloud, team: TeamId, only: string | undefined): Promise<InstanceView[]> {
  const nodes = await cloud.hosts.all()
  const found = await Promise.all(
    nodes.map(async ({ id: node }) => (await cloud.hosts.instances(node)).map((instance) => ({ ...instance, node }))),
  )
  return found
    .flat()
    .filter((instance) => instance.team === team && (only === undefined || instance.app === only))
    .toSorted((a, b) => (`${a.app} ${a.id}` < `${b.app} ${b.id}` ? -1 : 1))
}

/** Edges answer at once that it is stopped; resolves when the nodes have ended its instances. */
export async function stopApp(cloud: Cloud, team: TeamId, name: AppName): Promise<AppView> {
  using _change = changing(cloud, team, name)
  await knownApp(cloud, team, name)
  await cloud.state.apps.change(keys.app(team, name), (app) => app && stoppedApp(app))
  await endPlacements(cloud, team, name)
  return oneApp(cloud, team, name)
}

export async function deleteApp(cloud: Cloud, team: TeamId, name: AppName): Promise<void> {
  using _change = changing(cloud, team, name)
  await knownApp(cloud, team, name)
  await removeApp(cloud, team, name)
}

function appView(app: App, release: Release | undefined, addresses: Addresses): AppView {
  return {
    name: app.name,
    team: app.team,
    url: addressOf(app.hostname, release, addresses),
    state: app.stopped ? 'stopped' : app.release === 0 ? 'deploying' : 'live',
    release: app.release,
    ...(app.canary && { canary: app.canary }),
    image: release?.image.reference ?? '',
    memoryMib: release?.memoryMib ?? 0,
    cpus: release?.cpus ?? 0,
    createdAt: app.createdAt,
    deployedAt: release?.createdAt ?? app.createdAt,
  }
}

/** Whether an instance of it is there, as its nodes answer: its memory may have been needed. */
async function isKept(cloud: Cloud, { team, name }: App, { release, until }: NonNullable<App['kept']>) {
  if (Date.now() >= until) return false
  return (await listInstances(cloud, team, name)).some((instance) => instance.release === release)
}

function releaseView(release: Release, app: App, kept: number | undefined): ReleaseView {
  const { number, image, createdAt, createdBy, failure } = release
  const reason = failure && { code: failure.code, message: failure.message }
  const state = releaseState(release, app, kept)
  return {
    number,
    state,
    ...(state === 'canary' && { percent: app.canary?.percent }),
    image: image.reference,
    digest: image.digest,
    createdAt,
    createdBy,
    ...(reason && { failure: reason }),
  }
}

function releaseState({ number, failure }: Release, app: App, kept: number | undefined): ReleaseView['state'] {
  if (failure) return 'failed'
  if (number === app.release) return 'live'
  if (number === app.canary?.release) return 'canary'
  if (number > app.newest) return 'deploying'
  return number === kept ? 'kept' : 'replaced'
}
