import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { writeRunFile } from '../../runtime/src/core/run-files.ts'
import { startTimeOf } from '../../runtime/src/vm/process.ts'
import { fail, findings, ok, warn } from './check.ts'
import { portCheck } from './network.ts'
import { parseOsRelease } from './platform.ts'
import { report, usable } from './report.ts'
import { roles } from './roles.ts'

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
  assert.deepEqual(
    report([ok('a', 'one two three')], 16)
      .split('\n')
      .slice(0, 2),
    ['ok    a  one two', '         three'],
  )
  const failed = [...warned, fail('c', 'broken', 'do that')]
  assert.equal(usable(failed), false)
  assert.match(report(failed), /1 thing must be put right/)
})

test('a taken port is named together with the program that has it', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const taken = await portCheck({ port, what: 'apps', variable: 'LITTLE_EDGE_PORT' }, false)
  assert.equal(taken.level, 'fail')
  assert.match(taken.fact, new RegExp(`taken by .*process ${process.pid}`))
  assert.equal((await portCheck({ port, what: 'apps', variable: 'LITTLE_EDGE_PORT' }, true)).level, 'ok')
})

test('roles are told by their processes: one that ended is a warning while it is supervised, else a failure', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'little-roles-'))
  t.after(() => rm(data, { recursive: true }))
  const levels = () => roles(data).map(({ name, level }) => `${name} ${level}`)
  assert.deepEqual(levels(), ['cloud ok'])

  const me = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', state: 'ready' as const, since: 0 }
  const note = (role: string, change = {}) => writeRunFile(data, { ...me, role, restarts: 0, log: 'x', ...change })
  note('edge')
  note('host', { startTime: '1' }) // a later process with the same pid
  assert.deepEqual(levels().sort(), ['edge ok', 'host fail'])
  note('up')
  assert.deepEqual(levels().sort(), ['cloud ok', 'edge ok', 'host warn'])
})

test('os-release is read with and without quotes', () => {
  const text = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID=\'12\'\n# a comment\n'
  assert.deepEqual(parseOsRelease(text), {
    PRETTY_NAME: 'Debian GNU/Linux 12 (bookworm)',
    ID: 'debian',
    VERSION_ID: '12',
  })
})

test('little doctor ends with 0 exactly when the machine is usable, and says why in JSON', async () => {
  const doctor = spawn(join(import.meta.dirname, '../../bin/little'), ['doctor', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code]] = await Promise.all([text(doctor.stdout), once(doctor, 'close')])
  const said = JSON.parse(output) as { usable: boolean; findings: { name: string; level: string; next?: string }[] }
  assert.equal(code, said.usable ? 0 : 1)
  assert.equal(said.usable, !said.findings.some(({ level }) => level === 'fail'))
  assert.deepEqual(
    said.findings.filter(({ level, next }) => level !== 'ok' && !next),
    [],
    'what is not ok has a next step',
  )
})
