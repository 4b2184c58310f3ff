import http from 'node:http'

export interface FirstByte {
  ms: number
  /** What the instance was before: parked, running. */
  from: string
  /** The part of it that the wake took, in ms. */
  wakeMs: number
}

/** One request on a connection of its own, as a stranger's would be. */
export function firstByte(app: string, port: number): Promise<FirstByte> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const headers = { host: `${app}.localhost:${port}`, 'little-timing': '1' }
    const request = http.get({ host: '127.0.0.1', port, headers, agent: false }, (response) => {
      const ms = performance.now() - began
      response.resume()
      const { 'little-from': from, 'server-timing': timing } = response.headers
      const wakeMs = Number(/\bwake;dur=([\d.]+)/.exec(String(timing))?.[1] ?? 0)
      if (response.statusCode !== 200) reject(new Error(`${app} answered ${response.statusCode}`))
      else response.on('end', () => resolve({ ms, from: String(from), wakeMs }))
    })
    request.on('error', reject)
  })
}
