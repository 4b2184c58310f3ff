import http from 'node:http'
import type { Release } from '../model/release.ts'

/** Marked, so that an app can tell these requests from its users'. */
export const warmUpAgent = 'littlecloud-warmup'
const defaultTimes = 3
const requestDeadlineMs = 30_000
/** An app that answers on a second connection only after the first has gone takes one at a time. */
const secondConnectionMs = 3_000

export interface WarmUp {
  /** False if the app answers one connection at a time: an idle kept one would lock everybody else out. */
  keepConnections: boolean
  requests: number
}

/**
 * The few requests that an instance gets before its first user: `--warm PATH[:times]`, else `GET /` at most 3 times.
 * What they answer does not matter. The second is sent on a new connection while the first one idles.
 */
export async function warmUp(address: string, port: number, { warm }: Release): Promise<WarmUp> {
  const times = warm?.times ?? defaultTimes
  const target = { host: address, port, path: warm?.path ?? '/' }
  const first = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const second = new http.Agent({ keepAlive: true, maxSockets: 1 })
  let keepConnections = true
  let requests = 0
  try {
    if (times > 0 && (await get(target, first, requestDeadlineMs, () => requests++)) === 'answered' && times > 1) {
      const beside = await get(target, second, secondConnectionMs, () => requests++)
      keepConnections = beside === 'answered'
      while (requests < times && beside === 'answered') {
        if ((await get(target, first, requestDeadlineMs, () => requests++)) !== 'answered') break
      }
    }
    return { keepConnections, requests }
  } finally {
    first.destroy()
    second.destroy()
  }
}

function get(
  target: { host: string; port: number; path: string },
  agent: http.Agent,
  deadlineMs: number,
  onSent: () => void,
): Promise<'answered' | 'silent' | 'failed'> {
  return new Promise((resolve) => {
    onSent()
    const request = http.get({ ...target, agent, headers: { 'user-agent': warmUpAgent } }, (response) => {
      response.resume()
      response.on('close', () => done('answered'))
    })
    const timer = setTimeout(() => done('silent'), deadlineMs)
    request.on('error', () => done('failed'))
    const done = (outcome: 'answered' | 'silent' | 'failed') => {
      clearTimeout(timer)
      if (outcome === 'silent') request.destroy()
      resolve(outcome)
    }
  })
}
