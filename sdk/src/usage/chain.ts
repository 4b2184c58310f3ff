import type { KeyObject } from 'node:crypto'
import { hashOf, isSigned, noHash, type SealedRecord, type UsageRecord } from './record.ts'

/** What is wrong, and with which record. */
export interface UsageProblem {
  kind: 'unreadable' | 'no key' | 'changed' | 'not signed' | 'gap' | 'twice' | 'not chained' | 'sum'
  message: string
  node?: string | undefined
  sequence?: number | undefined
  record?: UsageRecord | SealedRecord | undefined
}

/** One node's records in their order: each signed, each naming the one before it, no number missing or given twice. */
export class UsageChain {
  readonly node: string
  readonly #key: KeyObject | undefined
  readonly #hashes = new Map<number, string>()
  #last: { sequence: number; hash: string } | undefined
  first: number | undefined
  records = 0
  /** Delivered again, the same to the byte: harmless. */
  repeated = 0

  /** `fromFirst`: the chain has to begin with the node's first record. */
  constructor(node: string, key: KeyObject | undefined, fromFirst: boolean) {
    this.node = node
    this.#key = key
    if (fromFirst) this.#last = { sequence: 0, hash: noHash }
  }

  get last(): number {
    return this.#last?.sequence ?? 0
  }

  /** True if it is a new, genuine record: one to be counted. */
  take(record: UsageRecord | SealedRecord, sealed: boolean, tell: (problem: UsageProblem) => void): boolean {
    const { node, sequence, hash, previousHash } = record
    const wrong = (kind: UsageProblem['kind'], message: string) => tell({ kind, message, node, sequence, record })
    if (!this.#isGenuine(record, sealed, wrong)) return false
    const before = this.#hashes.get(sequence)
    if (before === hash) {
      this.repeated += 1
      return false
    }
    if (before !== undefined) {
      wrong('twice', 'the number was given to two different records')
      return false
    }
    this.#hashes.set(sequence, hash)
    this.#follow(sequence, previousHash, wrong)
    this.first ??= sequence
    this.records += 1
    if (sequence >= this.last) this.#last = { sequence, hash }
    return true
  }

  #isGenuine(record: UsageRecord | SealedRecord, sealed: boolean, wrong: Wrong): boolean {
    if (!this.#key) {
      wrong('no key', `the key of the node ${this.node} is not known`)
      return false
    }
    if (!sealed && hashOf(record) !== record.hash) {
      wrong('changed', 'its content is not what its hash was made of')
      return false
    }
    if (!isSigned(record, this.#key)) {
      wrong('not signed', `its signature was not made by the node ${this.node}`)
      return false
    }
    return true
  }

  #follow(sequence: number, previousHash: string, wrong: Wrong): void {
    const last = this.#last
    if (!last) return
    const missing = sequence - last.sequence - 1
    if (missing > 0) {
      const which = missing === 1 ? `${last.sequence + 1} is` : `${last.sequence + 1} to ${sequence - 1} are`
      wrong('gap', `record ${which} missing before it`)
    } else if (missing < 0) wrong('gap', `it comes after record ${last.sequence}`)
    else if (previousHash !== last.hash)
      wrong('not chained', `it does not name record ${last.sequence} as the one before it`)
  }
}

type Wrong = (kind: UsageProblem['kind'], message: string) => void
