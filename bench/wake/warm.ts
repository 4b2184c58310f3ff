import http from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import type { DeployRequest } from '../../sdk/src/index.ts'
import type { TestCloud } from '../../test/harness/cloud.ts'
import type { Copy } from './kinds.ts'
import type { User } from './user.ts'

/** As many as a host agent starts at a time. */
const deploysAtOnce = 2
const warmedAtOnce = 3
/** What a copy that is measured little needs of its kind's warm-up. */
const shareOfACopy = 0.4

/** Deploys them all, some at a time. */
export async function deployAll(
  cloud: TestCloud,
  apps: { app: string; image: string; request?: Partial<DeployRequest> }[],
) {
  await each(apps, deploysAtOnce, async ({ app, image, request }) => {
    await cloud.deploy(app, { image: await ensureExampleImage(image), ...request })
  })
}

/** Lets traffic of its own warm each copy: over a kept connection, for none of it is measured. */
export async function warmAll(cloud: TestCloud, copies: Copy[]) {
  const agent = new http.Agent({ keepAlive: true })
  await each(copies, warmedAtOnce, async ({ app, kind, isFirst }) => {
    const requests = kind.warmUp * (isFirst ? 1 : shareOfACopy)
    for (let sent = 0; sent < requests; sent++) await request(agent, cloud.edgePort, app)
  })
  agent.destroy()
}

/** First bytes (ms) of an app that is awake all the while, each on a connection of its own. */
export async function awake(user: User, port: number, app: string, samples: number): Promise<number[]> {
  const times: number[] = []
  await user.get(port, app)
  while (times.length < samples) {
    await delay(20)
    times.push((await user.get(port, app)).firstByteMs)
  }
  return times
}

function request(agent: http.Agent, port: number, app: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { agent, port, host: '127.0.0.1', headers: { host: `${app}.localhost:${port}` } }
    http.get(options, (response) => response.resume().on('end', resolve).on('error', reject)).on('error', reject)
  })
}

async function each<T>(items: T[], atOnce: number, act: (item: T) => Promise<void>) {
  const waiting = [...items]
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}
