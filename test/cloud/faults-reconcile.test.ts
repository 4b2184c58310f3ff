// What the agent finds on its machine that should not be there, or is not there though it should. One cloud.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeId } from '../../runtime/src/core/ids.ts'
import { hierarchies } from '../../runtime/src/host/cgroup-mounts.ts'
import { networkNames, shortNode } from '../../runtime/src/host/network-names.ts'
import { InstanceRecord } from '../../runtime/src/host/record.ts'
import { alive } from '../../runtime/src/vm/process.ts'
import { Qmp } from '../../runtime/src/vm/qmp.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { billedRuns } from '../harness/billed.ts'
import { startCloud, type TestCloud } from '../harness/cloud.ts'

const idleMs = 500

let cloud: TestCloud
before(async () => {
  cloud = await startCloud()
  await cloud.deploy('hello', { image: await ensureExampleImage('hello'), maxInstances: 1, idleMs })
})
after(() => cloud?.down())

const names = () => networkNames(nodeId(JSON.parse(readFileSync(join(cloud.dataDir, 'cloud.json'), 'utf8')).node))
const instancesDir = () => join(cloud.dataDir, 'host/instances')
const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8' })
const answer = () => cloud.get('hello').then(({ status, body }) => `${status} ${body}`)
const hostLog = () => readFile(join(cloud.dataDir, 'log/host.log'), 'utf8')

async function theInstance(): Promise<InstanceRecord & { dir: string }> {
  const { id } = (await cloud.instances('hello'))[0]!
  const dir = join(instancesDir(), id)
  return { ...InstanceRecord.parse(JSON.parse(await readFile(join(dir, 'instance.json'), 'utf8'))), dir }
}

async function until(what: string, holds: () => boolean | Promise<boolean>) {
  for (const deadline = Date.now() + 60_000; !(await holds()); await delay(50))
    assert.ok(Date.now() < deadline, `not within 60 s: ${what}`)
}

test('strays with this node’s names are removed; those of others, and its own instance, are left alone', async (t) => {
  await cloud.asleep('hello')
  const { id } = await theInstance()
  const { tapPrefix, table } = names()
  const stray = `${tapPrefix}zz`
  const foreign = 'lcother0-zz'
  for (const tap of [stray, foreign]) ip('tuntap', 'add', 'dev', tap, 'mode', 'tap')
  t.after(() => ip('link', 'delete', 'dev', foreign))
  execFileSync('nft', [`add element inet ${table} sources { "${stray}" . 10.9.9.9 }`])
  await mkdir(join(instancesDir(), 'i-stray'))
  const tree = (await hierarchies())[0]?.[0]
  const parent = tree && join(tree.path, `littlecloud-${shortNode(nodeId(cloudNode()))}`)
  const othersGroup = tree && join(tree.path, 'littlecloud-zzzzzz-test')
  if (parent) mkdirSync(join(parent, 'i-stray'))
  if (othersGroup) mkdirSync(othersGroup)
  t.after(() => othersGroup && rmdirSync(othersGroup))
  // Looks like a launcher of an instance whose folder is gone.
  const args = ['-e', 'setTimeout(() => {}, 600_000)', '--', '--pidfile', join(instancesDir(), 'i-gone/pid')]
  const launcher = spawn(process.execPath, args, { stdio: 'ignore' })
  t.after(() => launcher.kill('SIGKILL'))

  await until('the link is gone', () => !ip('-o', 'link').includes(stray))
  await until('the folder is gone', () => !existsSync(join(instancesDir(), 'i-stray')))
  await until('the rule is gone', () => !execFileSync('nft', ['list', 'table', 'inet', table]).includes(stray))
  if (parent) await until('the group is gone', () => !existsSync(join(parent, 'i-stray')))
  await until('the process has ended', () => launcher.signalCode === 'SIGKILL')
  assert.ok(ip('-o', 'link').includes(foreign))
  assert.ok(!othersGroup || existsSync(othersGroup))
  assert.equal((await theInstance()).id, id)
  assert.match(await hostLog(), /"kind":"stray link"/)
})

const cloudNode = () => (JSON.parse(readFileSync(join(cloud.dataDir, 'cloud.json'), 'utf8')) as { node: string }).node

test('a link that was set down, and so lost its route, comes up again under the same instance', async () => {
  await cloud.asleep('hello')
  const { id, tap } = await theInstance()
  ip('link', 'set', 'dev', tap, 'down')
  await until('it is up', () => ip('-o', 'link', 'show', 'dev', tap).includes(',UP'))
  assert.match(await answer(), /^200 /)
  assert.equal((await theInstance()).id, id)
})

test('an instance whose link was deleted is replaced by another one', async () => {
  await cloud.asleep('hello')
  const { id, tap } = await theInstance()
  ip('link', 'delete', 'dev', tap)
  await until('another instance', async () => (await cloud.instances('hello')).some((one) => one.id !== id))
  assert.match(await answer(), /^200 /)
  assert.match(await hostLog(), /"kind":"lost link"/)
})

test('an instance that was stopped while its agent was dead is not billed for its sleep', async () => {
  assert.match(await answer(), /^200 /)
  const { dir } = await theInstance()
  const { pid } = cloud.role('host')
  cloud.signal('host', 'SIGKILL')
  // Long before the next agent is there: as if the one that died had said it with its last word.
  const qmp = await Qmp.connect(join(dir, 'qmp'), 30_000)
  await qmp.execute('stop', undefined, 30_000)
  const asleepAt = Date.now()
  qmp.close()
  await until('the next agent is ready', () => cloud.role('host').pid !== pid && cloud.role('host').state === 'ready')
  await cloud.asleep('hello')
  await delay(3_000)
  const wokenAt = Date.now()
  assert.match(await answer(), /^200 /)
  await cloud.asleep('hello')
  const runs = await billedRuns(cloud.dataDir, 'hello', asleepAt - 60_000)
  const asleep = runs.filter(({ startMs, endMs }) => startMs < wokenAt - 100 && endMs > asleepAt + 100)
  assert.deepEqual(asleep, [], `billed between ${asleepAt} and ${wokenAt}`)
})

test('an agent that is killed while it builds a template leaves no microVM of it behind', async () => {
  const { pid } = cloud.role('host')
  const image = await ensureExampleImage('hello')
  // Another size of memory is another template.
  const deploy = cloud.deploy('second', { image, memoryMib: 320 }).catch((error: Error) => error)
  const templates = join(cloud.dataDir, 'host/templates')
  const making = async () => {
    const folder = (await readdir(templates).catch(() => [])).find((name) => name.endsWith('.making'))
    return folder && existsSync(join(templates, folder, 'pid'))
      ? readFileSync(join(templates, folder, 'pid'), 'utf8')
      : ''
  }
  let qemu = ''
  await until('a template is being built', async () => {
    qemu = await making()
    return qemu !== ''
  })
  cloud.signal('host', 'SIGKILL')
  await until('the next agent is ready', () => cloud.role('host').pid !== pid && cloud.role('host').state === 'ready')
  const [qemuPid = '', startTime = ''] = qemu.split(' ')
  await until('its microVM has ended', () => !alive(Number(qemuPid), startTime))
  await deploy
})
