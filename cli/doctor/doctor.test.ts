import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fail, findings, ok, warn } from './check.ts'
import { portCheck } from './network.ts'
import { parseOsRelease } from './platform.ts'
import { report, usable } from './report.ts'
import { knownRoles } from './roles.ts'

test('a check that throws is one failed finding, and the others are still made', async () => {
  function breaks(): never {
    throw new Error('no such thing')
  }
  const all = await findings([() => [ok('a', 'fine')], breaks, () => [ok('b', 'fine')]])
  assert.deepEqual(
    all.map(({ name, level }) => [name, level]),
    [
      ['a', 'ok'],
      ['breaks', 'fail'],
      ['b', 'ok'],
    ],
  )
  assert.match(all[1]?.fact ?? '', /no such thing/)
})

test('a machine with warnings is usable, one with a failure is not', () => {
  const warned = [ok('a', 'fine'), warn('b', 'slow', 'do this')]
  assert.equal(usable(warned), true)
  assert.match(report(warned), /→ do this[\s\S]*usable; 1 thing could be better$/)
  const failed = [...warned, fail('c', 'broken', 'do that')]
  assert.equal(usable(failed), false)
  assert.match(report(failed), /1 thing must be put right/)
})

test('a taken port is named together with the program that has it', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const taken = await portCheck(port, 'apps', false)
  assert.equal(taken.level, 'fail')
  assert.match(taken.fact, new RegExp(`taken by .*process ${process.pid}`))
  assert.equal((await portCheck(port, 'apps', true)).level, 'ok')
})

test('roles are alive or not by their processes, and a torn note is passed over', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'little-roles-'))
  t.after(() => rm(data, { recursive: true }))
  const ended = spawn('true')
  await once(ended, 'close')
  await mkdir(join(data, 'run'))
  await writeFile(join(data, 'run/edge.json'), JSON.stringify({ role: 'edge', pid: process.pid }))
  await writeFile(join(data, 'run/host.json'), JSON.stringify({ pid: ended.pid }))
  await writeFile(join(data, 'run/control.json'), '{"pid": 12')
  assert.deepEqual(await knownRoles(data), [
    { name: 'edge', pid: process.pid, alive: true },
    { name: 'host', pid: ended.pid, alive: false },
  ])
  assert.deepEqual(await knownRoles(join(data, 'none')), [])
})

test('os-release is read with and without quotes', () => {
  const text = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID=\'12\'\n# a comment\n'
  assert.deepEqual(parseOsRelease(text), {
    PRETTY_NAME: 'Debian GNU/Linux 12 (bookworm)',
    ID: 'debian',
    VERSION_ID: '12',
  })
})
