import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeIdentity, IdentityTooLarge } from './guest-identity.ts'

const identity = {
  hostname: 'shop',
  entropy: new Uint8Array(64).fill(0xab),
  user: 'web',
  cwd: '/srv',
  env: ['A=1', 'A=2'],
  args: ['sh', '-c', 'echo a=b'],
  volumes: ['/data'],
  stopSignal: 2,
  ports: [80, 443],
}

const records = (payload: Buffer) => payload.toString().split('\0').slice(0, -1)

test('an identity is a list of records, repeated ones in their order', () => {
  const list = records(encodeIdentity(identity))
  assert.equal(list[0], `entropy=${'ab'.repeat(64)}`)
  assert.match(list[1]!, /^time=\d{19}$/)
  assert.deepEqual(
    list.filter((record) => /^(env|arg|port)=/.test(record)),
    [...['env=A=1', 'env=A=2'], ...['arg=sh', 'arg=-c', 'arg=echo a=b'], ...['port=80', 'port=443']],
  )
})

test('a NUL in a value cannot smuggle in another record', () => {
  const list = records(encodeIdentity({ ...identity, env: ['A=1\0user=root'] }))
  assert.deepEqual(
    list.filter((record) => record.startsWith('user=')),
    ['user=web'],
  )
  assert.ok(list.includes('env=A=1user=root'))
})

test('an identity that no frame can hold is refused before it is sent', () => {
  assert.throws(() => encodeIdentity({ ...identity, env: ['A'.repeat(1024 * 1024)] }), IdentityTooLarge)
})
