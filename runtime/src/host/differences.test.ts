import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differences, type Found, type Wanted } from './differences.ts'

const one = { id: 'i-1', tap: 'lc-1', address: '10.0.0.1', launcherPid: 10 }
const wanted = (instances: Wanted['instances'] = [one], busy: string[] = []): Wanted => ({
  instances,
  busy: new Set(busy),
  busyTaps: new Set(),
})
/** Just what the instance has. */
const found = (other: Partial<Found> = {}): Found => ({
  launchers: [{ id: 'i-1', pid: 10 }],
  folders: ['i-1'],
  taps: ['lc-1'],
  groups: ['i-1'],
  routes: new Set(['10.0.0.1']),
  ...other,
})

test('where everything is as it should be there is no difference', () => {
  assert.deepEqual(differences(wanted(), found()), [])
})

test('a second process of an instance is a stray, and the first one is not', () => {
  const launchers = [
    { id: 'i-1', pid: 10 },
    { id: 'i-1', pid: 11 },
  ]
  assert.deepEqual(differences(wanted(), found({ launchers })), [{ kind: 'stray process', id: 'i-1', pid: 11 }])
})

test('a suspended instance has no process: one that is there is a stray, unless it is just coming or going', () => {
  const suspended = { ...one, launcherPid: undefined }
  assert.deepEqual(differences(wanted([suspended]), found({ groups: [] })), [
    { kind: 'stray process', id: 'i-1', pid: 10 },
  ])
  assert.deepEqual(differences(wanted([suspended], ['i-1']), found({ groups: [] })), [])
})

test('what an instance has lost is named, and what nobody has is a stray', () => {
  const nothing = found({ launchers: [], taps: [], groups: [], folders: ['i-1', 'i-2'] })
  assert.deepEqual(
    differences(wanted(), nothing).map(({ kind, id }) => `${kind} ${id}`),
    ['stray folder i-2', 'lost process i-1', 'lost link i-1', 'lost group i-1'],
  )
})
