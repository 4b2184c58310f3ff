import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId, teamId } from '../core/ids.ts'
import { Addresses } from './network-addresses.ts'
import { NetworkRefused, NoAddressLeft } from './network-errors.ts'
import { networkNames, tapName, tapOffset } from './network-names.ts'

const [ours, theirs] = [teamId('ours'), teamId('theirs')]
const take = (addresses: Addresses, team = ours) => addresses.address(addresses.take(team))

test('addresses are given out one after the other, without those that look like networks', () => {
  const addresses = new Addresses('10.77.0.0/16', 254)
  assert.deepEqual([take(addresses), take(addresses), take(addresses)], ['10.77.0.254', '10.77.1.1', '10.77.1.2'])
})

test('an address rests for 60 s, then its own team may have it again, and never another', () => {
  let now = 0
  const addresses = new Addresses('10.77.0.0/28', 0, () => now)
  const all = Array.from({ length: 15 }, () => addresses.take(ours))
  addresses.free(all[3]!)
  assert.throws(() => addresses.take(ours), NoAddressLeft)
  now = 60_000
  assert.throws(() => addresses.take(theirs), NoAddressLeft)
  assert.equal(addresses.take(ours), all[3])
  assert.throws(() => addresses.take(ours), NoAddressLeft)
})

test('an address that an earlier agent gave out is not given out again', () => {
  const addresses = new Addresses('10.77.0.0/16', 1)
  addresses.reserve(addresses.offset('10.77.0.1')!, theirs)
  assert.equal(take(addresses), '10.77.0.2')
  assert.equal(addresses.offset('10.78.0.1'), undefined)
})

test('what is no subnet is refused', () => {
  for (const subnet of ['10.77.0.0', '10.77.0.0/31', 'x/16']) assert.throws(() => new Addresses(subnet), NetworkRefused)
})

test("a tap's name tells its address, and fits into the kernel's 15 bytes", () => {
  const names = networkNames(nodeId('n-7k2mq0v9'))
  for (const offset of [1, 255, 65_534, 2 ** 24 - 1]) {
    assert.ok(tapName(names, offset).length <= 15)
    assert.equal(tapOffset(names, tapName(names, offset)), offset)
  }
  assert.equal(tapOffset(names, `${names.tapPrefix}t_0`), undefined)
  assert.equal(tapOffset(names, 'eth0'), undefined)
  assert.ok(!names.gateway.startsWith(names.tapPrefix))
})
