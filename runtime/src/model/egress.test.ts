import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cidr, distinct, Egress } from './egress.ts'

test('an address or network is written as the network it lies in', () => {
  assert.deepEqual(
    ['203.0.113.7', '203.0.113.7/24', '10.1.2.3/8', '0.0.0.0/0', '255.255.255.255/32'].map((text) => Cidr.parse(text)),
    ['203.0.113.7', '203.0.113.0/24', '10.0.0.0/8', '0.0.0.0/0', '255.255.255.255'],
  )
  for (const wrong of [
    '',
    'example.com',
    '203.0.113',
    '203.0.113.256',
    '203.0.113.0/33',
    '::1',
    '1.2.3.4/',
    '1.2.3.4; drop',
  ])
    assert.equal(Cidr.safeParse(wrong).success, false, wrong)
})

test('a network that another one contains is left out, however they are ordered', () => {
  assert.deepEqual(distinct(['203.0.113.7', '203.0.113.0/24', '203.0.113.7', '203.0.112.0/24']), [
    '203.0.113.0/24',
    '203.0.112.0/24',
  ])
  assert.deepEqual(distinct(['0.0.0.0/0', '1.2.3.4']), ['0.0.0.0/0'])
})

test('nothing said means everywhere, an empty list nowhere', () => {
  assert.deepEqual(Egress.parse({}), { deny: [] })
  assert.deepEqual(Egress.parse({ allow: [] }), { allow: [], deny: [] })
})
