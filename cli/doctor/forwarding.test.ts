import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forwardingOf } from './forwarding.ts'

const ruleset = (...chains: object[]) =>
  JSON.stringify({ nftables: [{ metainfo: {} }, ...chains.map((chain) => ({ chain }))] })
const forward = { family: 'ip', table: 'filter', name: 'FORWARD', hook: 'forward' }

test('a firewall that drops what passes is told with the rules that let guests through', () => {
  assert.equal(forwardingOf(ruleset({ ...forward, policy: 'accept' })).level, 'ok')
  assert.equal(forwardingOf(ruleset({ ...forward, family: 'ip6', policy: 'drop' })).level, 'ok') // guests have no IPv6
  const closed = { ...forward, policy: 'drop' }
  const ufw = forwardingOf(ruleset(closed))
  assert.equal(ufw.level, 'warn')
  assert.match(ufw.next ?? '', /iptables -I FORWARD -s 10\.77\.0\.0\/16 -j ACCEPT/)
  const docker = forwardingOf(ruleset(closed, { family: 'ip', table: 'filter', name: 'DOCKER-USER' }))
  assert.match(docker.next ?? '', /iptables -I DOCKER-USER -s/)
})
