import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  concurrency,
  durationMs,
  egress,
  environment,
  mebibytes,
  moment,
  port,
  spares,
  warmUp,
  wholeNumber,
} from './flags.ts'

test('memory is MiB unless it says otherwise', () => {
  const read = mebibytes(32, 65_536)
  assert.deepEqual(['256', '256M', '256MiB', '1G', '2gib'].map(read), [256, 256, 256, 1024, 2048])
  for (const wrong of ['', '3', '-5', '1.5G', '256KB', '1T', '65537'])
    assert.throws(() => read(wrong), /from 32 to 65536 MiB/)
})

test('a port is for HTTP unless it says otherwise, and TCP may have another one outside', () => {
  assert.deepEqual(port('3000'), { port: 3_000, protocol: 'http' })
  assert.deepEqual(port('3000/http'), { port: 3_000, protocol: 'http' })
  assert.deepEqual(port('6379/tcp'), { port: 6_379, protocol: 'tcp' })
  assert.deepEqual(port('16379:6379/tcp'), { port: 6_379, protocol: 'tcp', hostPort: 16_379 })
  for (const wrong of ['', '0', '65536', 'redis', '70000:6379/tcp', '6379/TCP'])
    assert.throws(() => port(wrong), /from 1 to 65535/, wrong)
  assert.throws(() => port('443/tls'), /TLS does not end at the edge yet/)
  assert.throws(() => port('53/udp'), /\/http or \/tcp/)
  assert.throws(() => port('8080:3000'), /Only TCP apps/)
})

test('times carry their unit', () => {
  const read = durationMs(10, 10_000, 'from 10ms to 10s')
  assert.deepEqual(['10ms', '1s', '2.5s', '10s'].map(read), [10, 1_000, 2_500, 10_000])
  for (const wrong of ['1', '9ms', '11s', '1 s', 's', '1e3ms']) assert.throws(() => read(wrong), /from 10ms to 10s/)
})

test('a moment is so long ago, or a date with a time, in UTC unless it says otherwise', () => {
  assert.ok(Math.abs(moment('10m') - (Date.now() - 600_000)) < 5_000)
  assert.equal(moment('2026-01-31'), Date.UTC(2026, 0, 31))
  assert.equal(moment('2026-01-31T12:00'), Date.UTC(2026, 0, 31, 12))
  assert.equal(moment('2026-01-31T12:00:05.5+02:00'), Date.UTC(2026, 0, 31, 10, 0, 5, 500))
  for (const wrong of ['', '10', 'yesterday', '2026-13-01', '12:00', '2026-01-31 12:00'])
    assert.throws(() => moment(wrong), /how long ago/, wrong)
})

test('whole numbers are whole and within their range', () => {
  const read = wholeNumber(1, 64)
  assert.equal(read('64'), 64)
  for (const wrong of ['0', '65', '1.5', '-1', '0x10', '', 'many']) assert.throws(() => read(wrong), /from 1 to 64/)
})

test('egress is everywhere, nowhere, or a list of networks', () => {
  assert.equal(egress('all'), undefined)
  assert.deepEqual(egress('none'), [])
  assert.deepEqual(egress('203.0.113.0/24,198.51.100.7'), ['203.0.113.0/24', '198.51.100.7'])
  for (const wrong of ['', 'example.com', '203.0.113.0/24,', '::1/64', 'all,none'])
    assert.throws(() => egress(wrong), /203\.0\.113\.0\/24/)
})

test('the hard limit of concurrency follows the soft one unless it is given', () => {
  assert.deepEqual(concurrency('20'), { soft: 20, hard: 100 })
  assert.deepEqual(concurrency('10:10'), { soft: 10, hard: 10 })
  assert.deepEqual(concurrency('9000'), { soft: 9000, hard: 10_000 })
  for (const wrong of ['0', '20:10', '20:', ':5', '1:10001'])
    assert.throws(() => concurrency(wrong), /HARD not below SOFT/)
})

test('a warm-up is a path and a number of times', () => {
  assert.deepEqual(warmUp('/health:3'), { path: '/health', times: 3 })
  assert.deepEqual(warmUp('/a:b'), { path: '/a:b', times: 1 })
  for (const wrong of ['health', '/x:101', '/with space']) assert.throws(() => warmUp(wrong), /begins with \//)
})

test('spares are auto or a number', () => {
  assert.deepEqual(['auto', '0', '4'].map(spares), ['auto', 0, 4])
  assert.throws(() => spares('some'), /'auto' or/)
})

test('a variable without a value is taken from the environment', () => {
  process.env.LITTLE_TEST_VALUE = 'here'
  assert.deepEqual(environment('LITTLE_TEST_VALUE', ['A=b=c']), ['A=b=c', 'LITTLE_TEST_VALUE=here'])
  assert.throws(() => environment('LITTLE_TEST_NONE'), /not set/)
  assert.throws(() => environment('=x'), /NAME=value/)
})
