import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { seal, unseal } from './seal.ts'

const key = randomBytes(32)

test('what was sealed opens with the same key and context only', () => {
  const sealed = seal(key, 'hunter2 ünïcode', 'main.web.1')
  assert.equal(unseal(key, sealed, 'main.web.1'), 'hunter2 ünïcode')
  assert.throws(() => unseal(key, sealed, 'main.other.1'))
  assert.throws(() => unseal(randomBytes(32), sealed, 'main.web.1'))
})

test('a sealed value shows nothing of the plain one, and is different each time', () => {
  assert.notEqual(seal(key, 'same', 'c'), seal(key, 'same', 'c'))
  assert.ok(!Buffer.from(seal(key, 'plain-text', 'c'), 'base64').includes('plain-text'))
})
