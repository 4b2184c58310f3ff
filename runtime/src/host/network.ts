import type { InstanceId, NodeId, TeamId } from '../core/ids.ts'
import type { Egress } from '../model/egress.ts'
import { guestMac } from '../vm/machine.ts'
import { type DnsServer, type Resolver, startDns } from './dns.ts'
import { Addresses } from './network-addresses.ts'
import {
  defaultRouteInterfaces,
  interfaceNames,
  interfacesInSet,
  ipBatch,
  ipBatchIfThere,
  nft,
  packetsInSet,
  routedAddresses,
  setSysctl,
} from './network-commands.ts'
import { restrict, unrestrict } from './network-egress.ts'
import { NetworkRefused } from './network-errors.ts'
import { type NetworkNames, networkNames, tapName, tapOffset } from './network-names.ts'
import {
  allowSource,
  forbidSource,
  forgetRates,
  networkRules,
  rememberOpened,
  removeTable,
  replaceSet,
} from './network-rules.ts'

/** Every tap is a link of its own, so that all guests' gateways may have the same address on it. */
const gatewayMac = '02:00:00:00:00:01'

export interface NetworkOptions {
  node: NodeId
  /** The guests' addresses, e.g. `10.77.0.0/16`; each node has its own. */
  subnet: string
  /** Where guests' questions go; default: the host's resolvers. */
  dnsUpstream?: Resolver[]
  /** What one guest may send to the internet; default: 100 Mbit/s. */
  egressKbytesPerSecond?: number
}

export interface Link {
  tap: string
  address: string
  mac: string
  gateway: string
  gatewayMac: string
}

/** The guests' network of one node: taps, addresses, packet rules, names. Nothing here is on a wake's path. */
export class HostNetwork {
  readonly gateway: string
  readonly gatewayMac = gatewayMac
  readonly #names: NetworkNames
  readonly #addresses: Addresses
  #dns: DnsServer | undefined
  #uplinks: string[] = []
  /** By tap: the address that may send, and where its connections may go. */
  readonly #sources = new Map<string, { address: string; egress: Egress }>()
  readonly #egressKbytesPerSecond: number
  #edges: string[] = []
  #lent = 0
  readonly #lentTaps = new Set<string>()

  private constructor({ node, subnet, egressKbytesPerSecond = 12_500 }: NetworkOptions) {
    this.#egressKbytesPerSecond = egressKbytesPerSecond
    this.#names = networkNames(node)
    this.#addresses = new Addresses(subnet)
    // Two nodes on one machine have two subnets, hence two gateways.
    this.gateway = `169.254.${subnet.split('.')[1]}.1`
  }

  /** Afterwards guests can be attached; those of an earlier agent were never without rules. */
  static async open(options: NetworkOptions): Promise<HostNetwork> {
    const network = new HostNetwork(options)
    await nft(network.#rules() + forgetRates(network.#names))
    await network.#makeGateway()
    await network.#followUplinks()
    network.#dns = await startDns({ address: network.gateway, upstream: options.dnsUpstream })
    return network
  }

  /** Makes a tap with an address for the instance. Packets from any other address of it are dropped. */
  async attach(_instance: InstanceId | string, team: TeamId, egress: Egress = { deny: [] }): Promise<Link> {
    const offset = this.#addresses.take(team)
    const link = this.#link(offset)
    try {
      await this.#followUplinks()
      const source = { address: link.address, egress }
      this.#sources.set(link.tap, source)
      // A tap without its rule gets nowhere, so the order of these two does not matter.
      await Promise.all([nft(this.#admit(link.tap, source)), this.#makeTap(link)])
      return link
    } catch (error) {
      await this.detach(link.tap).catch(() => {})
      throw error
    }
  }

  /** An instance that an earlier agent started keeps its tap and address. What that one allowed it is in force: see `repair`. */
  reserve(address: string, tap: string, team: TeamId, egress: Egress = { deny: [] }): void {
    const offset = this.#addresses.offset(address)
    if (offset === undefined || tapName(this.#names, offset) !== tap) {
      throw new NetworkRefused(`${tap} is not the tap of ${address} on this node`)
    }
    this.#addresses.reserve(offset, team)
    this.#sources.set(tap, { address, egress })
  }

  /** Also for taps that are gone already. */
  async detach(tap: string): Promise<void> {
    const offset = tapOffset(this.#names, tap)
    if (!tap.startsWith(this.#names.tapPrefix)) throw new NetworkRefused(`${tap} is not a tap of this node`)
    this.#sources.delete(tap)
    await ipBatchIfThere([`link delete dev ${tap}`])
    if (offset === undefined) return
    const address = this.#addresses.address(offset)
    await nft(forbidSource(this.#names, tap, address) + unrestrict(this.#names, tap, address))
    this.#addresses.free(offset)
  }

  /** Lends a tap that leads nowhere: a template's network card needs one, but no network. */
  async withTap<T>(use: (tap: string) => Promise<T>): Promise<T> {
    const tap = `${this.#names.tapPrefix}t_${(this.#lent++).toString(36)}`
    this.#lentTaps.add(tap)
    try {
      await ipBatch([`tuntap add dev ${tap} mode tap vnet_hdr`, `link set dev ${tap} arp off addrgenmode none up`])
      return await use(tap)
    } finally {
      await this.detach(tap)
      this.#lentTaps.delete(tap)
    }
  }

  /** Taps that this agent has made, or taken over, and not given up. */
  get taps(): ReadonlySet<string> {
    return new Set([...this.#sources.keys(), ...this.#lentTaps])
  }

  /** The guests that this host has a way to. */
  async reachable(): Promise<ReadonlySet<string>> {
    return new Set(await routedAddresses())
  }

  /** Puts the way to a guest back: somebody set its link down, or deleted its route. */
  async repairLink(tap: string, address: string): Promise<void> {
    await ipBatch(this.#upCommands(tap, address))
  }

  /** Packets that were refused, by the guest's address, since the rules are there. */
  refusals(): Promise<Map<string, number>> {
    return packetsInSet(this.#names.table, 'refusals')
  }

  /** All taps of this node that the kernel has, whoever made them. */
  async list(): Promise<string[]> {
    return (await interfaceNames()).filter((name) => name.startsWith(this.#names.tapPrefix))
  }

  /** Edges on other machines, from now on: only they may begin connections to guests through this host. */
  async allowEdges(addresses: string[]): Promise<void> {
    this.#edges = addresses
    await nft(replaceSet(this.#names, 'edges', addresses))
  }

  /**
   * Puts the rules back, in one step, whatever was done to them: reloading a firewall (`nft flush ruleset`) removes
   * everybody's, setting `ip_forward` sets that of all interfaces. For the reconciler, every few seconds; 10 ms of a process, and no packet sees a difference.
   */
  async repair(): Promise<void> {
    const sources = [...this.#sources].map(([tap, source]) => this.#admit(tap, source))
    // Flushed in the same step: what is in no list of ours is nobody's.
    await nft(
      [
        this.#rules(),
        replaceSet(this.#names, 'sources', []),
        ...sources,
        this.#uplinkElements(),
        replaceSet(this.#names, 'edges', this.#edges),
      ].join(''),
    )
    await this.#forward()
  }

  /** Removes all that is this node's. `keep`: the guests go on, and a next agent takes them over. */
  async close({ keep = false } = {}): Promise<void> {
    await this.#dns?.close()
    this.#dns = undefined
    if (keep) return
    const interfaces = [...(await this.list()), this.#names.gateway]
    await ipBatchIfThere(interfaces.map((name) => `link delete dev ${name}`))
    const opened = await interfacesInSet(this.#names.table, 'opened')
    await nft(removeTable(this.#names))
    // they forwarded nothing before us
    for (const name of opened) await setSysctl(`ipv4/conf/${name}/forwarding`, '0').catch(() => {})
  }

  #rules() {
    const { gateway } = this
    const { subnet } = this.#addresses
    return networkRules(this.#names, { gateway, subnet, egressKbytesPerSecond: this.#egressKbytesPerSecond })
  }

  #admit(tap: string, { address, egress }: { address: string; egress: Egress }) {
    return allowSource(this.#names, tap, address) + restrict(this.#names, tap, address, egress)
  }

  #link(offset: number): Link {
    const { gateway } = this
    return {
      tap: tapName(this.#names, offset),
      address: this.#addresses.address(offset),
      mac: guestMac,
      gateway,
      gatewayMac,
    }
  }

  async #makeTap({ tap, address }: Link): Promise<void> {
    // No ARP: both sides know the other's address, and a guest cannot fill the host's table of neighbours.
    await ipBatch([
      `tuntap add dev ${tap} mode tap vnet_hdr`,
      `link set dev ${tap} address ${gatewayMac} arp off addrgenmode none`,
      ...this.#upCommands(tap, address),
    ])
    await setSysctl(`ipv4/conf/${tap}/forwarding`, '1')
    await setSysctl(`ipv6/conf/${tap}/disable_ipv6`, '1').catch(() => {}) // a host without IPv6 has none to disable
  }

  #upCommands(tap: string, address: string): string[] {
    return [
      `link set dev ${tap} up`,
      `neighbour replace ${address} lladdr ${guestMac} dev ${tap} nud permanent`,
      `route replace ${address}/32 dev ${tap} src ${this.gateway}`,
    ]
  }

  /** A tap that nobody opens serves as the dummy interface that some kernels are built without. */
  async #makeGateway(): Promise<void> {
    const name = this.#names.gateway
    if (!(await interfaceNames()).includes(name)) {
      await ipBatch([`tuntap add dev ${name} mode tap`, `link set dev ${name} arp off addrgenmode none up`])
    }
    await ipBatch([`address replace ${this.gateway}/32 dev ${name}`])
  }

  /** Guests leave by the default route's interfaces, which may change while we run. */
  async #followUplinks(): Promise<void> {
    const uplinks = await defaultRouteInterfaces()
    if (uplinks.join() === this.#uplinks.join()) return
    this.#uplinks = uplinks
    await nft(this.#uplinkElements())
    await this.#forward()
  }

  /** Only by these, not the host as a whole: it must not begin to route between networks that are none of ours. */
  async #forward() {
    for (const name of this.#uplinks) {
      const before = await setSysctl(`ipv4/conf/${name}/forwarding`, '1')
      if (before === '0') await nft(rememberOpened(this.#names, name))
    }
    // Who sets `ip_forward` sets that of all interfaces: one of the guests' tells of all, and a thousand take long.
    const [first, ...others] = this.#sources.keys()
    if (first === undefined || (await forwardTap(first)) === '1') return
    for (const tap of others) await forwardTap(tap)
  }

  #uplinkElements() {
    const quoted = this.#uplinks.map((name) => `"${name}"`)
    return replaceSet(this.#names, 'uplinks', quoted)
  }
}

/** Resolves with what it was before; undefined: the tap is gone. */
const forwardTap = (tap: string) => setSysctl(`ipv4/conf/${tap}/forwarding`, '1').catch(() => undefined)
