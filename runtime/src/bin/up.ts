import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { natsAnswers, prepareNatsServer } from '../cluster/nats-server.ts'
import { errorFields } from '../core/errors.ts'
import { createLog } from '../core/log.ts'
import { dataDir } from '../core/paths.ts'
import { removeRunFile, writeRunFile } from '../core/run-files.ts'
import { HostConfig } from '../host/config.ts'
import { sweepHost } from '../host/sweep.ts'
import { startTimeOf } from '../vm/process.ts'
import { type CloudConfig, cloudConfig } from './up/cloud-config.ts'
import { FullDisk } from './up/full-disk.ts'
import { requirePorts } from './up/ports.ts'
import { endRemains, refuseIfRunning } from './up/remains.ts'
import { Role, type RoleSpec } from './up/role.ts'

/** A role reads its state and connects; on a loaded machine Node alone takes some seconds for that. */
const readyWithinMs = 60_000
/** A host agent takes over a thousand instances before it is ready, if they are there. */
const hostReadyWithinMs = 300_000

const log = createLog('up')
const { values: flags } = parseArgs({
  options: { 'allow-foreign-on-emulated': { type: 'boolean', default: false }, 'memory-budget': { type: 'string' } },
})

/**
 * The supervisor of a cloud on one machine: starts each role as a process of its own, the same that run on a thousand
 * machines, starts again what ends, and on SIGTERM or SIGINT ends all of them in order.
 */
async function up() {
  const data = dataDir()
  await mkdir(data, { recursive: true, mode: 0o700 })
  refuseIfRunning(data)
  await endRemains(data)
  const config = await cloudConfig(data)
  await requirePorts(config)
  const roles: Role[] = []
  const me = () => ({
    role: 'up',
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '',
    restarts: 0,
    since: Date.now(),
    log: join(data, 'log', 'up.log'),
    apiUrl: `http://localhost:${config.apiPort}`,
    edgePort: config.edgePort,
  })
  writeRunFile(data, { ...me(), state: 'starting' })

  const stopped = Promise.withResolvers<void>()
  let stopping = false
  const stop = () => {
    if (stopping) return
    stopping = true
    stopAll(roles, data).then(() => {
      removeRunFile(data, 'up')
      stopped.resolve()
    }, stopped.reject)
  }
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', stop)
  // Who starts it with a channel (a test, a benchmark) does not outlive its need for the cloud: it ends with them.
  process.on('disconnect', stop)
  process.channel?.unref()
  using _ = new FullDisk(join(data, 'nats'), () => {
    if (stopping) return
    log.warn('there is room on the disk again: nats-server is started anew')
    roles.find(({ spec }) => spec.name === 'nats')?.restart()
  })
  try {
    for await (const spec of roleSpecs(data, config)) {
      if (stopping) break
      const role = new Role(spec, data)
      roles.push(role)
      await role.start()
      log.info({ role: spec.name }, 'ready')
    }
    if (!stopping) writeRunFile(data, { ...me(), state: 'ready' })
  } catch (error) {
    stop()
    await stopped.promise
    throw error
  }
  await stopped.promise
}

/** In the order in which they need each other; each writes the configuration of its role first. */
async function* roleSpecs(data: string, config: CloudConfig): AsyncGenerator<RoleSpec> {
  const natsDir = join(data, 'nats')
  const server = await prepareNatsServer({ dir: natsDir, port: config.natsPort })
  yield {
    name: 'nats',
    command: server.command,
    args: server.args,
    isReady: () => natsAnswers(server.config, readyWithinMs),
    readyWithinMs,
  }

  const nats = server.config
  const clusterKey = join(data, 'cluster.key')
  const role = async (name: string, settings: object): Promise<RoleSpec> => {
    const file = configFile(data, name)
    await mkdir(join(data, 'config'), { recursive: true, mode: 0o700 })
    await writeFile(file, JSON.stringify(settings, null, 2), { mode: 0o600 })
    return {
      name,
      command: process.execPath,
      args: [...nodeFlags(name), join(import.meta.dirname, `${name}.ts`), '--config', file],
      readyWithinMs: name === 'host' ? hostReadyWithinMs : readyWithinMs,
    }
  }
  const api = { host: '127.0.0.1', port: config.apiPort }
  yield await role('control', { nats, dataDir: data, clusterKey, listen: api, edgePort: config.edgePort })
  yield await role('billing', { nats, dataDir: join(data, 'billing') })
  const holds = { unix: join(data, 'host', 'holds') }
  const control = { url: `http://127.0.0.1:${config.apiPort}`, tokenFile: join(data, 'node.token') }
  yield await role('host', {
    nats,
    node: config.node,
    dataDir: join(data, 'host'),
    subnet: config.subnet,
    holds,
    control,
    clusterKey,
    foreignOnEmulated: flags['allow-foreign-on-emulated'],
    ...(flags['memory-budget'] && { memoryBudgetMib: Number(flags['memory-budget']) }),
  })
  const listen = { host: '127.0.0.1', port: config.edgePort }
  yield await role('edge', {
    nats,
    edge: config.edge,
    node: config.node,
    dataDir: join(data, 'edge'),
    listen,
    clusterKey,
  })
}

/**
 * For the hot roles: room for young objects, so that a collection seldom falls into a wake, and machine code from the
 * first call on, since a wake is too rare for the compiler to find it worth its while.
 */
const hot = ['--max-semi-space-size=64', '--always-sparkplug', '--no-lazy-feedback-allocation']
const nodeFlags = (role: string) => (role === 'edge' || role === 'host' ? hot : [])

/** Edges first, so that they let go; the control and NATS last, so that everything is told. */
async function stopAll(roles: Role[], data: string) {
  for (const role of roles) role.callOff()
  for (const role of roles.reverse()) {
    const inOrder = await role.stop()
    if (role.spec.name === 'host' && !inOrder) await sweepAfter(configFile(data, 'host'))
  }
}

/** A host agent that was killed, or failed in its start, leaves instances, links and packet rules. */
async function sweepAfter(file: string) {
  const swept = await sweepHost(HostConfig.parse(JSON.parse(await readFile(file, 'utf8'))))
  log.warn({ swept }, 'the host agent did not end in order: what it left was removed')
}

const configFile = (data: string, role: string) => join(data, 'config', `${role}.json`)

try {
  await up()
} catch (error) {
  const fields = errorFields(error)
  if (fields.code === 'internal') log.error(error)
  else log.error(fields, fields.message)
  process.exitCode = 1
}
