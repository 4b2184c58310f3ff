import type { TeamId } from '../core/ids.ts'
import { NetworkRefused, NoAddressLeft } from './network-errors.ts'

/** Longer than any connection, kept or half-open, that an edge may still have to the one before. */
const restMs = 60_000

/**
 * The guests' addresses of one node. An address rests for 60 s after its use, and never changes its team while this
 * agent lives: a late packet or a stale route may reach a wrong instance, but never a stranger's.
 */
export class Addresses {
  readonly subnet: string
  readonly #base: number
  readonly #size: number
  readonly #now: () => number
  readonly #teams = new Map<number, TeamId>()
  /** Offset → when it was freed, ms; in the order of freeing. */
  readonly #resting = new Map<number, number>()
  #next: number

  /** `first` is where counting begins: elsewhere at each start, as an agent doesn't remember what the last one freed. */
  constructor(subnet: string, first = Math.floor(Math.random() * 2 ** 24), now = () => performance.now()) {
    const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(subnet)
    const bits = Number(match?.[2])
    if (!match?.[1] || bits < 8 || bits > 28) throw new NetworkRefused(`${subnet} is not a subnet between /8 and /28`)
    this.subnet = subnet
    this.#size = 2 ** (32 - bits)
    this.#base = numberOf(match[1]) - (numberOf(match[1]) % this.#size)
    this.#next = first % this.#size
    this.#now = now
  }

  /** The next one that was never used; when there is none left, the team's own that rested longest. */
  take(team: TeamId): number {
    for (let tried = 0; tried < this.#size; tried++) {
      const offset = this.#next
      this.#next = (this.#next + 1) % this.#size
      const last = offset % 256 // .0 and .255 are taken for networks by some programs
      if (last === 0 || last === 255 || this.#teams.has(offset)) continue
      this.#teams.set(offset, team)
      return offset
    }
    for (const [offset, freedAt] of this.#resting) {
      if (this.#teams.get(offset) !== team || freedAt + restMs > this.#now()) continue
      this.#resting.delete(offset)
      return offset
    }
    throw new NoAddressLeft(this.subnet)
  }

  /** Marks one as used by the team: of an instance that an earlier agent started. */
  reserve(offset: number, team: TeamId): void {
    this.#teams.set(offset, team)
    this.#resting.delete(offset)
  }

  free(offset: number): void {
    if (this.#teams.has(offset)) this.#resting.set(offset, this.#now())
  }

  address(offset: number): string {
    const value = this.#base + offset
    return [value / 2 ** 24, value / 2 ** 16, value / 2 ** 8, value].map((part) => Math.floor(part) % 256).join('.')
  }

  /** Undefined for an address outside the subnet. */
  offset(address: string): number | undefined {
    const offset = numberOf(address) - this.#base
    return offset >= 0 && offset < this.#size ? offset : undefined
  }
}

const numberOf = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
