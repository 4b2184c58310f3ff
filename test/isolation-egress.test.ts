import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeId, teamId } from '../runtime/src/core/ids.ts'
import { HostNetwork, type Link } from '../runtime/src/host/network.ts'
import { Peer, StandIn } from './isolation-guest.ts'
import { type Internet, internet, internetToo, makeInternet, run, strangersLan } from './isolation-internet.ts'
import { inOwnNetwork } from './isolation-own-network.ts'
import { compile } from './isolation-programs.ts'

const node = nodeId('n-egress')
const subnet = '10.77.0.0/16'
const port = 7_000

if (inOwnNetwork(import.meta.filename)) {
  let folder: string
  let world: Internet
  let network: HostNetwork
  let outside: Peer
  const guests = new Map<string, { link: Link; guest: StandIn }>()
  const guest = (name: string) => guests.get(name)!

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'littlecloud-egress-'))
    world = await makeInternet(subnet)
    outside = await Peer.start(port, world.pid)
    network = await HostNetwork.open({ node, subnet })
    const cable = compile('cable', folder)
    const egresses = {
      free: { deny: [] },
      listed: { allow: [`${internet}/32`, '203.0.113.0/24', strangersLan], deny: [] },
      denied: { deny: [internetToo] },
      nowhere: { allow: [], deny: [] },
    }
    for (const [name, egress] of Object.entries(egresses)) {
      const link = await network.attach(`i-${name}`, teamId('team'), egress)
      guests.set(name, { link, guest: await StandIn.start(cable, link, port) })
    }
  })
  after(async () => {
    outside?.stop()
    for (const one of guests.values()) one.guest.stop()
    await network?.close()
    await world?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const sendTo = (name: string, to: string, text: string, at = port) =>
    guest(name).guest.peer.send({ send: text, to, port: at })

  /** Sends from the guest to both places; resolves when all that was sent before is through or refused. */
  const tryBoth = async (name: string, mark: string) => {
    for (const to of [internet, internetToo]) sendTo(name, to, `${mark} to ${to}`)
    await delayed(`${mark}, marker`)
    return [internet, internetToo].filter((to) => outside.saw(`${mark} to ${to}`))
  }
  /** A packet of the free guest, again and again until one is there: the others had time to be on their way. */
  const delayed = async (mark: string) => {
    for (const turn of [1, 2, 3]) {
      const arrived = outside.arrival(`${mark} ${turn}`)
      sendTo('free', internetToo, `${mark} ${turn}`)
      await arrived
    }
    await delay(200)
  }

  test('an app without a list reaches the whole internet', async () => {
    const both = [internet, internetToo].map((to) => outside.arrival(`free to ${to}`))
    for (const to of [internet, internetToo]) sendTo('free', to, `free to ${to}`)
    await Promise.all(both)
  })

  test('an app with a list reaches what is in it, and not what is closed to all of them', async () => {
    const arrived = outside.arrival(`listed to ${internet}`)
    assert.deepEqual(await tryBoth('listed', 'listed'), [internet])
    await arrived
    sendTo('listed', strangersLan, 'listed to the LAN')
    await delayed('after the LAN')
    assert.equal(outside.saw('listed to the LAN'), undefined)
  })

  test('an app reaches all but what its list denies, and one with an empty list nothing', async () => {
    const arrived = outside.arrival(`denied to ${internet}`)
    assert.deepEqual(await tryBoth('denied', 'denied'), [internet])
    await arrived
    assert.deepEqual(await tryBoth('nowhere', 'nowhere'), [])
  })

  test('who is refused is counted, and hears of it at once', async () => {
    const refusals = await network.refusals()
    const count = (name: string) => refusals.get(guest(name).link.address) ?? 0
    assert.deepEqual(['free', 'listed', 'denied', 'nowhere'].map(count), [0, 2, 1, 2])
    const heard = guest('nowhere').guest.peer.refusal()
    guest('nowhere').guest.peer.send({ send: 'a question', to: network.gateway, port: 53, connected: true })
    assert.match(await heard, /EHOSTUNREACH|EACCES|EPERM/)
  })

  test('lists outlive an agent and a flush of all rules, and go with their guest', async () => {
    await network.close({ keep: true })
    network = await HostNetwork.open({ node, subnet })
    const lists = {
      listed: { allow: ['203.0.113.0/24'], deny: [] },
      denied: { deny: [internetToo] },
      free: { deny: [] },
    }
    for (const [name, egress] of Object.entries(lists))
      network.reserve(guest(name).link.address, guest(name).link.tap, teamId('team'), egress)
    run('nft', 'flush ruleset')
    await network.repair()
    assert.deepEqual(await tryBoth('listed', 'after the flush'), [internet])
    await network.detach(guest('listed').link.tap)
    const left = run('nft', 'list', 'ruleset')
    assert.ok(!left.includes(`${guest('listed').link.address} : jump`))
    assert.equal(left.match(/chain egress_/g)?.length, 1) // of `denied`
  })

  test('a guest that sends too fast loses what is beyond its rate, and nobody else does', async () => {
    await network.close({ keep: true })
    network = await HostNetwork.open({ node, subnet, egressKbytesPerSecond: 8 }) // a minute for what is sent below
    for (const name of ['free', 'denied'])
      network.reserve(guest(name).link.address, guest(name).link.tap, teamId('team'), { deny: [] })
    const text = (index: number) => `flood ${index} `.padEnd(1_200, '.')
    const first = outside.arrival(text(0))
    for (let index = 0; index < 400; index++) sendTo('free', internet, text(index))
    await first
    const calm = outside.arrival('a calm neighbour')
    const deadline = Date.now() + 15_000
    sendTo('denied', internet, 'a calm neighbour')
    await calm
    let arrived = 0
    for (let before = -1; arrived !== before && Date.now() < deadline; await delay(1_000)) {
      before = arrived
      arrived = outside.received.filter((packet) => packet.text.startsWith('flood')).length
    }
    assert.ok(arrived >= 50 && arrived < 200, `${arrived} of 400 arrived`)
  })
}
