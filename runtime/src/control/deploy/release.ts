import { KeyExists } from '../../cluster/errors.ts'
import { list } from '../../cluster/list.ts'
import { ensureLogStream } from '../../cluster/log-streams.ts'
import { keys } from '../../cluster/subjects.ts'
import type { AppName } from '../../core/ids.ts'
import type { App } from '../../model/app.ts'
import type { Release } from '../../model/release.ts'
import { sealEnv } from '../../model/secrets.ts'
import { hostPortOf } from '../api/schema.ts'
import type { Cloud } from '../cloud.ts'
import { CanaryAlone, CanaryOn, NameTaken } from '../errors.ts'
import type { Imported } from '../images.ts'
import { sealSecrets } from '../secrets.ts'
import type { Plan } from './plan.ts'

/** How long a request may wait for an instance, and a program may take until it listens. Emulated CPUs need most of it. */
const wakeDeadlineMs = 30_000
const startDeadlineMs = 120_000

/** What is not given. A database is one instance, and its slots are the clients that wait for an answer. */
const usualForHttp = { concurrency: { soft: 20, hard: 100 }, maxInstances: 20, maxBusyMs: 0 }
const usualForTcp = { concurrency: { soft: 100, hard: 10_000 }, maxInstances: 1, maxBusyMs: 5 * 60_000 }

export interface Written {
  release: Release
  /** Of the app's record: the release goes live only if nobody changed it since. */
  appRevision: number
}

/** Claims the name, makes the app's record at its first deploy, and writes the release with the next free number. */
export async function writeRelease(cloud: Cloud, plan: Plan, image: Imported): Promise<Written> {
  const { team, app, hostname } = plan
  await claim(cloud, plan)
  const appKey = keys.app(team, app)
  const now = Date.now()
  const known = await cloud.state.apps.get(appKey)
  mayDeploy(app, known?.value, plan.settings.canary)
  const fresh = { team, name: app, release: 0, newest: 0, hostname, createdAt: now, stopped: false }
  const appRevision = known?.revision ?? (await cloud.state.apps.create(appKey, fresh))
  await ensureLogStream(cloud.state.apps.cluster, team, app)
  const taken = await list(cloud.state.releases, `${appKey}.*`)
  const number = 1 + Math.max(0, ...taken.map(({ value }) => value.number))
  const release = releaseOf(plan, image, number, now, cloud.clusterKey)
  const key = keys.release(team, app, number)
  await cloud.state.releases.create(key, release)
  if (Object.keys(plan.secrets).length > 0) {
    await cloud.state.secrets.put(key, sealSecrets(cloud.clusterKey, key, plan.secrets))
  }
  return { release, appRevision }
}

/** Throws if the app's present state leaves no room for a new release, or none for a canary. */
export function mayDeploy(name: AppName, app: App | undefined, canary: number | undefined): void {
  if (app?.canary) throw new CanaryOn(name, app.canary.release)
  if (canary !== undefined && (!app || app.release === 0 || app.stopped)) throw new CanaryAlone(name)
}

async function claim(cloud: Cloud, { team, app, hostname }: Plan): Promise<void> {
  try {
    await cloud.state.hostnames.create(hostname, keys.app(team, app))
  } catch (error) {
    if (!(error instanceof KeyExists)) throw error
    const owner = await cloud.state.hostnames.get(hostname)
    if (owner?.value !== keys.app(team, app)) throw new NameTaken(hostname)
  }
}

/** Everything a node needs to know to run it. */
function releaseOf(plan: Plan, image: Imported, number: number, createdAt: number, clusterKey: Buffer): Release {
  const { settings } = plan
  const hostPort = hostPortOf(settings)
  const usual = hostPort === undefined ? usualForHttp : usualForTcp
  return {
    team: plan.team,
    app: plan.app,
    number,
    createdAt,
    createdBy: plan.by,
    image: { reference: plan.reference, digest: image.digest, rootBytes: image.rootBytes },
    config: image.config,
    sealedEnv: sealEnv(clusterKey, keys.release(plan.team, plan.app, number), settings.env),
    ...(settings.command && { command: settings.command }),
    ...(settings.port !== undefined && { port: settings.port }),
    ...(hostPort !== undefined && { tcp: { hostPort } }),
    memoryMib: settings.memoryMib,
    cpus: settings.cpus,
    concurrency: settings.concurrency ?? usual.concurrency,
    idleMs: settings.idleMs,
    maxAwakeMs: settings.maxAwakeMs,
    maxBusyMs: settings.maxBusyMs ?? usual.maxBusyMs,
    maxInstances: settings.maxInstances ?? usual.maxInstances,
    spares: settings.spares,
    ephemeral: settings.ephemeral,
    alwaysParked: settings.alwaysParked,
    ...(settings.warm && { warm: settings.warm }),
    egress: settings.egress,
    ...(settings.clone && { clone: settings.clone }),
    wakeDeadlineMs,
    startDeadlineMs,
  }
}
