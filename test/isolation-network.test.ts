import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeId, teamId } from '../runtime/src/core/ids.ts'
import { HostNetwork, type Link } from '../runtime/src/host/network.ts'
import { networkNames } from '../runtime/src/host/network-names.ts'
import { Peer, StandIn } from './isolation-guest.ts'
import { type Internet, internet, makeInternet, otherHostAddress, run, strangersLan } from './isolation-internet.ts'
import { inOwnNetwork } from './isolation-own-network.ts'
import { compile } from './isolation-programs.ts'

const node = nodeId('n-isolation')
const port = 7_000 // of every collector

if (inOwnNetwork(import.meta.filename)) {
  let folder: string
  let world: Internet
  let forge: string
  let outside: Peer
  let host: Peer
  let network: HostNetwork
  let one: { link: Link; guest: StandIn }
  let other: { link: Link; guest: StandIn }
  let untouched: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'littlecloud-network-'))
    world = await makeInternet('10.77.0.0/16')
    run('nft', 'add table inet of_somebody_else')
    untouched = everything()
    network = await HostNetwork.open({ node, subnet: '10.77.0.0/16', dnsUpstream: [{ address: internet, port: 5353 }] })
    const cable = compile('cable', folder)
    forge = compile('forge', folder)
    const attach = async (team: string) => {
      const link = await network.attach(`i-${team}`, teamId(team))
      return { link, guest: await StandIn.start(cable, link, port) }
    }
    outside = await Peer.start(port, world.pid)
    host = await Peer.start(port)
    one = await attach('one')
    other = await attach('other')
    one.guest.ip('address', 'add', '10.77.200.200/32', 'dev', 'eth0') // an address that it was not given
  })
  after(async () => {
    for (const peer of [outside, host]) peer?.stop()
    for (const pair of [one, other]) pair?.guest.stop()
    await network?.close()
    await world?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const attacks = () => [
    { send: 'forged to the internet', to: internet, port, from: '10.77.200.200' },
    { send: 'forged to the host', to: otherHostAddress, port, from: '10.77.200.200' },
    { send: 'to the gateway', to: network.gateway, port },
    { send: "to the host's own address", to: otherHostAddress, port },
    { send: "to the host's outer address", to: '203.0.113.1', port },
    { send: 'to a stranger in the LAN', to: strangersLan, port },
    { send: 'to another guest', to: other.link.address, port },
  ]
  const arrivedAt = (text: string) => [outside, host, other.guest.peer].filter((peer) => peer.saw(text)).length

  /** Whatever was sent before has passed or been dropped when this one, which is allowed, has arrived. */
  const afterMarker = async (marker: string) => {
    const arrived = outside.arrival(marker)
    one.guest.peer.send({ send: marker, to: internet, port })
    await arrived
  }

  test('a guest reaches the internet with the address of its host', async () => {
    await afterMarker('hello')
    assert.equal(outside.saw('hello')?.from, '203.0.113.1')
  })

  test('the host reaches a guest and hears its answer', async () => {
    const answered = host.arrival('re: echo from the host')
    host.send({ send: 'echo from the host', to: one.link.address, port })
    await answered
    assert.equal(one.guest.peer.saw('echo from the host')?.from, network.gateway)
  })

  test('a guest cannot forge its address, nor reach the host, the LAN or another guest', async () => {
    for (const attack of attacks()) one.guest.peer.send(attack)
    await afterMarker('after the attacks')
    for (const { send } of attacks()) assert.equal(arrivedAt(send), 0, send)
  })

  test('only an allowed edge may begin a connection from another machine', async () => {
    const knock = (text: string) => outside.send({ send: text, to: one.link.address, port, from: '203.0.113.2' })
    knock('a stranger knocks')
    // behind it on the same way, and let through: the answer to what the guest itself begins
    const answered = one.guest.peer.arrival('re: echo after the stranger')
    one.guest.peer.send({ send: 'echo after the stranger', to: internet, port })
    await answered
    assert.equal(one.guest.peer.saw('a stranger knocks'), undefined)
    await network.allowEdges([internet])
    const arrived = one.guest.peer.arrival('an edge knocks')
    knock('an edge knocks')
    await arrived
  })

  const forged = (from = one.link.address) =>
    [
      { kind: 'mac', from, to: internet, text: "with a stranger's MAC" },
      { kind: 'plain', from: other.link.address, to: internet, text: "with another guest's address" },
      { kind: 'fragments', from, to: otherHostAddress, text: 'in pieces to the host' },
      { kind: 'fragments', from, to: other.link.address, text: 'in pieces to another guest' },
      { kind: 'fragments', from: '10.77.200.200', to: internet, text: 'in pieces from a forged address' },
    ] as const
  const send = ({ kind, from, to, text }: { kind: string; from: string; to: string; text: string }) =>
    one.guest.run(forge, kind, from, to, String(port), text)

  test('a guest that writes its own frames gets no further, in pieces neither', async () => {
    for (const kind of ['plain', 'fragments']) {
      const text = `allowed, ${kind}`
      const arrived = outside.arrival(text)
      send({ kind, from: one.link.address, to: internet, text })
      await arrived
    }
    for (const frame of forged()) send(frame)
    await afterMarker('after the forged frames')
    for (const { text } of forged()) assert.equal(arrivedAt(text), 0, text)
  })

  test('a guest can make the host believe nothing by ARP, nor by IPv6', async () => {
    const frames = () => {
      for (const kind of ['arp', 'router']) send({ kind, from: '10.77.200.201', to: network.gateway, text: '' })
    }
    const believed = () => run('ip', 'neighbour', 'show', 'dev', one.link.tap) + run('ip', '-6', 'route')
    const before = believed()
    frames()
    await afterMarker('after the lies')
    assert.equal(believed(), before)
    run('ip', 'link', 'set', 'dev', one.link.tap, 'arp', 'on') // as a tap is, unless it is told otherwise
    frames()
    for (const until = Date.now() + 15_000; !believed().includes('10.77.200.201'); ) assert.ok(Date.now() < until)
    run('ip', 'link', 'set', 'dev', one.link.tap, 'arp', 'off')
  })

  test('a tap carries no IPv6', async () => {
    const path = `/proc/sys/net/ipv6/conf/${one.link.tap}/disable_ipv6`
    assert.equal((await readFile(path, 'utf8')).trim(), '1')
  })

  test('a next agent takes guests over without cutting them off', async () => {
    await network.close({ keep: true })
    await afterMarker('while no agent is there')
    network = await HostNetwork.open({ node, subnet: '10.77.0.0/16' })
    network.reserve(one.link.address, one.link.tap, teamId('one'))
    network.reserve(other.link.address, other.link.tap, teamId('other'))
    await network.repair()
    await afterMarker('with the next agent')
    assert.deepEqual((await network.list()).sort(), [one.link.tap, other.link.tap].sort())
    assert.throws(() => network.reserve('10.77.3.3', one.link.tap, teamId('one')), /is not the tap of 10.77.3.3/)
  })

  test('without our rules each of the attacks would succeed', async () => {
    run('nft', `delete table inet ${networkNames(node).table}`)
    run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    for (const attack of attacks()) {
      const target = [outside, host, other.guest.peer].map((peer) => peer.arrival(attack.send))
      one.guest.peer.send(attack)
      await Promise.any(target)
      Promise.allSettled(target).catch(() => {}) // the two that it was not for
    }
    for (const frame of forged()) {
      const target = [outside, host, other.guest.peer].map((peer) => peer.arrival(frame.text))
      send(frame)
      await Promise.any(target)
      Promise.allSettled(target).catch(() => {})
    }
    run('sysctl', '-qw', 'net.ipv4.ip_forward=0')
    run('sysctl', '-qw', `net.ipv6.conf.${one.link.tap}.accept_ra=2`, `net.ipv6.conf.${one.link.tap}.disable_ipv6=0`)
    for (
      const until = Date.now() + 15_000;
      !run('ip', '-6', 'route').includes('default via fe80::1');
      await delay(100)
    ) {
      assert.ok(Date.now() < until, 'the router is not believed')
      send({ kind: 'router', from: one.link.address, to: network.gateway, text: '' })
    }
    run('sysctl', '-qw', `net.ipv6.conf.${one.link.tap}.disable_ipv6=1`)
  })

  test('rules that another program has flushed come back', async () => {
    await network.repair()
    const again = attacks().map((attack) => ({ ...attack, send: `${attack.send}, again` }))
    for (const attack of again) one.guest.peer.send(attack)
    await afterMarker('after the repair')
    for (const { send } of again) assert.equal(arrivedAt(send), 0, send)
  })

  test('closing leaves nothing, and nothing of others is touched', async () => {
    one.guest.stop()
    other.guest.stop()
    await network.detach(one.link.tap)
    await network.detach(one.link.tap)
    await network.withTap(async (tap) => assert.ok((await network.list()).includes(tap)))
    await network.close()
    assert.equal(everything(), untouched)
  })
}

/** What a node could have changed in the kernel. */
function everything(): string {
  const forwarding = run('sysctl', 'net.ipv4.ip_forward', 'net.ipv4.conf.uplink.forwarding')
  return [
    run('nft', 'list', 'ruleset'),
    run('ls', '/proc/sys/net/ipv4/conf'),
    run('ip', 'route'),
    run('ip', '-br', '-4', 'address'),
    forwarding,
  ].join('\n')
}
