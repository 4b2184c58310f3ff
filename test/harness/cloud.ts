import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import http from 'node:http'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../runtime/src/bin/up/ports.ts'
import { type RunFile, readRunFiles } from '../../runtime/src/core/run-files.ts'
import { alive } from '../../runtime/src/vm/process.ts'
import { ensureGuest } from '../../scripts/setup/guest.ts'
import { Client, type DeployRequest, type InstanceView, type Live } from '../../sdk/src/index.ts'
import { endBySignal } from './end-by-signal.ts'
import { findStrays } from './strays.ts'

export interface Reply {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

/** A whole cloud of its own, as `little up` starts it: own data folder, own ports, own guests' subnet. */
export interface TestCloud extends AsyncDisposable {
  client: Client
  dataDir: string
  edgePort: number
  apiPort: number
  deploy(app: string, request: DeployRequest): Promise<Live>
  get(app: string, path?: string, options?: http.RequestOptions & { body?: string }): Promise<Reply>
  /** Resolves when no instance of the app runs. */
  asleep(app: string, deadlineMs?: number): Promise<void>
  /** Resolves when the app has at least that many instances, all asleep. */
  waitFor(app: string, instances: number, deadlineMs?: number): Promise<void>
  instances(app: string): Promise<InstanceView[]>
  role(name: string): RunFile
  /** Sends a signal to a role; the supervisor starts it again if that ends it. */
  signal(role: string, signal: NodeJS.Signals): void
  /** Ends the cloud and throws if anything of it is left on the machine. */
  down(): Promise<void>
}

/** One of 10.128.0.0/16 … 10.249.0.0/16 that no cloud on this machine uses: its gateway is named after its second part. */
function freeSubnet(): string {
  const taken = new Set(Object.values(networkInterfaces()).flatMap((own) => own?.map(({ address }) => address) ?? []))
  const free = Array.from({ length: 122 }, (_, index) => 128 + index).filter((part) => !taken.has(`169.254.${part}.1`))
  return `10.${free[Math.floor(Math.random() * free.length)]}.0.0/16`
}

interface CloudOptions {
  dataDir?: string
  /** Lets further teams run programs on this machine though it emulates the guests' CPU. */
  foreignOnEmulated?: boolean
  /** Memory for instances; what is beyond it is suspended. */
  memoryBudgetMib?: number
}

export async function startCloud(options: CloudOptions = {}): Promise<TestCloud> {
  await ensureGuest(() => {}) // one file of tests may be run alone, after guest/ was changed
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'littlecloud-')))
  const [edgePort, apiPort] = [await freePort(), await freePort()]
  const env = {
    ...process.env,
    LITTLE_DATA: dataDir,
    LITTLE_EDGE_PORT: String(edgePort),
    LITTLE_API_PORT: String(apiPort),
    LITTLE_SUBNET: freeSubnet(),
  }
  const script = join(import.meta.dirname, '../../runtime/src/bin/up.ts')
  const flags = [
    ...(options.foreignOnEmulated ? ['--allow-foreign-on-emulated'] : []),
    ...(options.memoryBudgetMib ? ['--memory-budget', String(options.memoryBudgetMib)] : []),
  ]
  // The channel is how the cloud hears that this process is no more, whatever ended it.
  const up = spawn(process.execPath, [script, ...flags], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let log = ''
  up.stderr!.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const exited = new Promise<void>((resolve) => up.once('exit', () => resolve()))
  try {
    await ready(dataDir, up, () => log)
  } catch (error) {
    up.kill('SIGTERM') // it ends what it has started
    await exited
    if (!options.dataDir) await rm(dataDir, { recursive: true, force: true })
    throw error
  }
  const token = (await readFile(join(dataDir, 'owner.token'), 'utf8')).trim()
  const client = new Client({ url: `http://127.0.0.1:${apiPort}`, token })
  const role = (name: string) => {
    const file = readRunFiles(dataDir).find((one) => one.role === name)
    if (!file) throw new Error(`there is no role ${name}`)
    return file
  }
  const instances = (app: string) => client.ps(app)

  const cloud: TestCloud = {
    client,
    dataDir,
    edgePort,
    apiPort,
    instances,
    role,
    async deploy(app, request) {
      for await (const step of client.deploy(app, request)) if (step.type === 'live') return step
      throw new Error('a deploy ended without being live')
    },
    get: (app, path = '/', request = {}) => get(edgePort, app, path, request),
    async asleep(app, deadlineMs = 15_000) {
      const until = Date.now() + deadlineMs
      while ((await instances(app)).some(({ state }) => state !== 'parked' && state !== 'suspended')) {
        if (Date.now() > until) throw new Error(`${app} does not sleep: ${JSON.stringify(await instances(app))}`)
        await delay(20)
      }
    },
    async waitFor(app, count, deadlineMs = 180_000) {
      const until = Date.now() + deadlineMs
      for (;;) {
        const parked = (await instances(app)).filter(({ state }) => state === 'parked')
        if (parked.length >= count) return
        if (Date.now() > until) throw new Error(`${app} has ${parked.length} of ${count} instances asleep`)
        await delay(50)
      }
    },
    signal: (name, signal) => process.kill(role(name).pid, signal),
    async down() {
      forgetSignals()
      const nodes = await nodeIds(dataDir)
      up.kill('SIGTERM')
      await Promise.race([exited, delay(90_000, undefined, { ref: false })])
      if (up.exitCode === null && up.signalCode === null) throw new Error('the cloud did not end')
      const strays = await findStrays(dataDir, nodes)
      if (!options.dataDir) await rm(dataDir, { recursive: true, force: true })
      if (strays.length > 0) throw new Error(`left behind: ${strays.join('; ')}`)
    },
    async [Symbol.asyncDispose]() {
      if (up.exitCode === null && up.signalCode === null) await cloud.down()
    },
  }
  const forgetSignals = endBySignal(() => cloud.down())
  return cloud
}

async function ready(dataDir: string, up: ChildProcess, log: () => string) {
  const until = Date.now() + 120_000
  while (Date.now() < until) {
    if (up.exitCode !== null) throw new Error(`the cloud did not start:\n${log()}`)
    const file = readRunFiles(dataDir).find(({ role }) => role === 'up')
    if (file?.state === 'ready' && alive(file.pid, file.startTime)) return
    await delay(25)
  }
  throw new Error(`the cloud was not ready in time:\n${log()}`)
}

async function nodeIds(dataDir: string): Promise<string[]> {
  const config = JSON.parse(await readFile(join(dataDir, 'cloud.json'), 'utf8')) as { node: string }
  return [config.node]
}

/** One request on a connection of its own. */
export function get(
  port: number,
  app: string,
  path: string,
  { body, ...options }: http.RequestOptions & { body?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { host: `${app}.localhost:${port}`, ...(options.headers as http.OutgoingHttpHeaders) }
    const request = http.request({ host: '127.0.0.1', port, path, agent: false, ...options, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}
