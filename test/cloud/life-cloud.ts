import assert from 'node:assert/strict'
import type http from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { usageRecords } from '../../bench/wake/intervals.ts'
import type { UsageRecord } from '../../runtime/src/model/usage.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import type { DeployRequest } from '../../sdk/src/index.ts'
import type { TestCloud } from '../harness/cloud.ts'

/** What an app of test/cloud/apps answered. */
export interface Answer<T> {
  status: number
  /** The tier it was woken from; 'running': it was awake. */
  from: string
  value: T
}

export interface Clocks {
  now: number
  monotonicMs: number
  ticks: number
}

/** Deploys an image that can be made here, once it is made. */
export const deploy = async (cloud: TestCloud, app: string, image: string, request: Partial<DeployRequest> = {}) =>
  cloud.deploy(app, { image: await ensureExampleImage(image), ...request })

/** One request on a connection of its own; its reply is JSON. */
export async function ask<T>(
  cloud: TestCloud,
  app: string,
  path: string,
  options: http.RequestOptions & { body?: string } = {},
): Promise<Answer<T>> {
  const headers = { 'little-timing': '1', ...(options.headers as http.OutgoingHttpHeaders) }
  const { status, headers: replied, body } = await cloud.get(app, path, { ...options, headers })
  return { status, from: String(replied['little-from']), value: JSON.parse(body) as T }
}

/** As `ask`; anything but 200 is an error. */
export async function answered<T>(...args: Parameters<typeof ask<T>>): Promise<Answer<T>> {
  const answer = await ask<T>(...args)
  assert.equal(answer.status, 200, JSON.stringify(answer.value))
  return answer
}

/** The app's records, oldest first, once its last run is among them: it sleeps, and the node has sent what it metered. */
export async function settledRecords(cloud: TestCloud, app: string, deadlineMs = 15_000): Promise<UsageRecord[]> {
  const atUs = Date.now() * 1000
  await cloud.asleep(app, deadlineMs)
  const until = Date.now() + deadlineMs
  for (;;) {
    const records = (await usageRecords(cloud.dataDir)).filter((record) => record.app === app)
    const last = Math.max(0, ...records.map(({ endUs }) => endUs))
    // Whoever asks while it sleeps already waits for as long as the node takes between two messages, and some more.
    if (last >= atUs || Date.now() * 1000 - atUs > 3_000_000) return records
    if (Date.now() > until) throw new Error(`no records of ${app} have come`)
    await delay(250)
  }
}

export const runs = (records: UsageRecord[]) => records.filter(({ kind }) => kind === 'run')
