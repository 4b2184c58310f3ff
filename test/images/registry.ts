import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

/** A port of loopback that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Debian's docker-registry on loopback for the length of a test; resolves with its host:port once it accepts connections. */
export async function startRegistry(t: TestContext, folder: string): Promise<string> {
  const port = await freePort()
  const config = join(folder, 'registry.yml')
  const storage = `storage:\n  filesystem: {rootdirectory: ${join(folder, 'registry')}}`
  writeFileSync(config, `version: 0.1\n${storage}\nhttp: {addr: "127.0.0.1:${port}"}\nlog: {level: error}\n`)
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const deadline = AbortSignal.any([AbortSignal.timeout(20_000), t.signal])
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`)
    await pause(20, undefined, { signal: deadline }) // it tells nobody when it is ready
  }
  return `127.0.0.1:${port}`
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A registry that knows nobody: every answer is 401. */
export async function startClosedRegistry(t: TestContext): Promise<string> {
  const server = createServer((_, reply) => {
    reply.writeHead(401, { 'www-authenticate': 'Basic realm="closed"', 'content-type': 'application/json' })
    reply.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
