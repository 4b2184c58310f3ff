import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { down } from '../cli/down.ts'
import { supervisor, up } from '../cli/up.ts'
import { dataDir } from '../runtime/src/core/paths.ts'
import { formatMs } from '../runtime/src/core/units.ts'
import { Client, LittleCloudError } from '../sdk/src/index.ts'
import { makeServers } from './images/servers.ts'

/**
 * The second half of `npm start`: the cloud up, examples/hello deployed, asleep, awake. Stays in the foreground;
 * `--once` ends after the demo.
 */
const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } })
const app = 'hello'
const example = join(import.meta.dirname, '../examples/hello')

try {
  process.exitCode = await demo()
} catch (error) {
  if (!(error instanceof LittleCloudError)) throw error
  console.error(`${error.message}\n  ${error.code}\n  ${error.hint}`)
  process.exitCode = 1
}

async function demo(): Promise<number> {
  const wasUp = supervisor() !== undefined
  if (!wasUp) {
    await up({ detach: true })
    if (process.exitCode) return Number(process.exitCode)
  }
  let ended = false
  const end = async () => {
    if (ended) return
    ended = true
    if (!wasUp) await down()
  }
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  try {
    const { url, edgePort } = await deployHello()
    await showSleepAndWake(url, edgePort)
    if (values.once) return 0
    console.log(
      `\nDeploy your own:  ${join(import.meta.dirname, '../bin/little')} deploy <image or folder>\nCtrl-C ends the cloud.`,
    )
    await interrupted
    return 0
  } finally {
    await end()
  }
}

async function deployHello() {
  const { apiUrl, edgePort } = supervisor()!
  const token = readFileSync(join(dataDir(), 'owner.token'), 'utf8').trim()
  const client = new Client({ url: apiUrl!, token })
  await makeServers(example)
  console.log('\nDeploying examples/hello')
  for await (const step of client.deploy(app, { image: example })) {
    if (step.type === 'step')
      console.log(`  ${step.step.padEnd(9)} ${formatMs(step.tookMs).padStart(9)}  ${step.message}`)
    if (step.type === 'live') return { url: step.url, edgePort: edgePort!, client }
  }
  throw new Error('the deploy ended without a result')
}

/** Long enough for the default idle time of 1 s to pass. */
const restMs = 2_000
/** Under emulation the first requests after a start are slower: the guest's code is translated as it runs. */
const warmUpRequests = 30

async function showSleepAndWake(url: string, port: number) {
  for (let sent = 0; sent < warmUpRequests; sent++) await firstByte(port)
  const warm: number[] = []
  for (let sent = 0; sent < 20; sent++) warm.push((await firstByte(port)).ms)
  const median = warm.toSorted((a, b) => a - b)[10]!
  await delay(restMs)
  const woken = await firstByte(port)
  console.log(`
${url}
  awake, it answers in ${formatMs(median)}
  it slept; woken by a request it answered in ${formatMs(woken.ms)} (${woken.from}; ${woken.timing})
  it sleeps again 1 s after its last request, keeps its memory, and costs nothing meanwhile`)
}

function firstByte(port: number): Promise<{ ms: number; from: string; timing: string }> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const headers = { host: `${app}.localhost:${port}`, 'little-timing': '1' }
    const request = http.get({ host: '127.0.0.1', port, headers, agent: false }, (response) => {
      const ms = performance.now() - began
      response.resume()
      const { 'little-from': from, 'server-timing': timing } = response.headers
      response.on('end', () => resolve({ ms, from: String(from), timing: String(timing) }))
    })
    request.on('error', reject)
  })
}
