import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from './config.ts'
import { CorruptImage, WrongPlatform } from './errors.ts'

const rootfs = { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] }
const read = (blob: object) =>
  parseConfig('app', JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs, ...blob })).config

test('every field of a config that a run needs is kept', () => {
  const config = read({
    config: {
      Entrypoint: ['/entry'],
      Cmd: ['serve'],
      Env: ['A=1', 'B=x=y'],
      WorkingDir: '/srv',
      User: 'app:www',
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000-8002/tcp': {}, '9000': {} },
      Volumes: { '/data': {} },
      StopSignal: 'SIGQUIT',
      Labels: { a: 'b' },
      Healthcheck: {
        Test: ['CMD-SHELL', 'curl -f /'],
        Interval: 5_000_000_000,
        Timeout: 0,
        StartPeriod: 1_500_000_000,
        Retries: 0,
      },
    },
  })
  assert.deepEqual(config, {
    entrypoint: ['/entry'],
    cmd: ['serve'],
    env: ['A=1', 'B=x=y'],
    workingDir: '/srv',
    user: 'app:www',
    // an object's keys that are whole numbers come first in JavaScript
    exposedPorts: [9000, 80, 8000, 8001, 8002],
    volumes: ['/data'],
    stopSignal: 'SIGQUIT',
    labels: { a: 'b' },
    healthcheck: {
      test: ['CMD-SHELL', 'curl -f /'],
      intervalMs: 5_000,
      timeoutMs: 30_000,
      startPeriodMs: 1_500,
      retries: 3,
    },
  })
})

test('what a config leaves out or sets to null has a default', () => {
  for (const config of [
    undefined,
    null,
    {},
    { Entrypoint: null, Cmd: null, Env: null, Volumes: null, Healthcheck: null },
  ]) {
    const read1 = read({ config })
    assert.deepEqual([read1.entrypoint, read1.cmd, read1.stopSignal, read1.healthcheck], [[], [], 'SIGTERM', undefined])
  }
})

test('an image for another machine is refused with its name, one that is no config with the reason', () => {
  assert.throws(() => read({ architecture: 'arm64' }), WrongPlatform)
  assert.throws(() => read({ os: 'windows' }), /app is not made for linux\/amd64 but for windows\/amd64/)
  assert.throws(() => read({ config: { Cmd: 'a string' } }), CorruptImage)
  assert.throws(() => parseConfig('app', '{'), CorruptImage)
})
