import type { KeyObject } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { firstPreviousHash, isSignedBy, type UsageRecord } from '../model/usage.ts'
import { slices } from './slices.ts'
import { inTransaction } from './store.ts'

/** What became of the records of one node. */
export interface ChainReport {
  node: string
  sequence: number
  /** Numbers that never came. */
  missing: number
  /** Came again with the same content: delivery is repeated until acknowledged, and that is harmless. */
  repeated: number
  /** Signed well, but not the continuation of the record before; or a number came again with another content. */
  broken: number
  /** Not signed by the node. */
  refused: number
}

/** Takes batches of usage records into the read model, each record once. */
export class Intake {
  readonly #database: DatabaseSync
  readonly #keyOf: (node: string) => KeyObject | undefined
  readonly #add: StatementSync
  readonly #addHour: StatementSync

  /** `keyOf`: undefined while the node has not announced itself. */
  constructor(database: DatabaseSync, keyOf: (node: string) => KeyObject | undefined) {
    this.#database = database
    this.#keyOf = keyOf
    this.#add = database.prepare('INSERT OR IGNORE INTO records VALUES (?, ?, ?)')
    this.#addHour = database.prepare(`
      INSERT INTO hours VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        run_us = run_us + excluded.run_us, vcpu_us = vcpu_us + excluded.vcpu_us, mib_us = mib_us + excluded.mib_us,
        egress_bytes = egress_bytes + excluded.egress_bytes, requests = requests + excluded.requests`)
  }

  /** The last message of the stream that was taken in. */
  get position(): number {
    return Number(this.#database.prepare('SELECT sequence FROM position').get()?.sequence ?? 0)
  }

  /** Messages of nodes that are not known yet. */
  get waiting(): number {
    return Number(this.#database.prepare('SELECT COUNT(*) AS messages FROM waiting').get()?.messages ?? 0)
  }

  /** A batch as it came on usage.<node>; a node that is not known yet has to wait for its key. */
  take(position: number, node: string, records: readonly UsageRecord[]): void {
    inTransaction(this.#database, () => {
      this.#database.prepare('UPDATE position SET sequence = ?').run(position)
      const key = this.#keyOf(node)
      if (key) this.#takeAll(node, key, records)
      else this.#database.prepare('INSERT INTO waiting VALUES (?, ?, ?)').run(position, node, JSON.stringify(records))
    })
  }

  /** The node has announced itself: what waited for its key is taken in. */
  nodeKnown(node: string): void {
    const key = this.#keyOf(node)
    if (!key) return
    inTransaction(this.#database, () => {
      const waiting = this.#database.prepare('SELECT records FROM waiting WHERE node = ? ORDER BY position').all(node)
      for (const row of waiting) this.#takeAll(node, key, JSON.parse(String(row.records)) as UsageRecord[])
      this.#database.prepare('DELETE FROM waiting WHERE node = ?').run(node)
    })
  }

  report(): ChainReport[] {
    const rows = this.#database.prepare('SELECT node, sequence, missing, repeated, broken, refused FROM chains').all()
    return rows as unknown as ChainReport[]
  }

  #takeAll(node: string, key: KeyObject, records: readonly UsageRecord[]): void {
    const chain = this.#chain(node)
    for (const record of records) {
      if (record.node !== node || !isSignedBy(record, key)) chain.refused += 1
      else if (this.#add.run(node, record.sequence, record.hash).changes === 0) this.#again(chain, record)
      else this.#count(chain, record)
    }
    this.#database
      .prepare('REPLACE INTO chains VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(node, chain.sequence, chain.hash, chain.missing, chain.repeated, chain.broken, chain.refused)
  }

  #again(chain: Chain, { node, sequence, hash }: UsageRecord): void {
    const before = this.#database
      .prepare('SELECT hash FROM records WHERE node = ? AND sequence = ?')
      .get(node, sequence)
    if (before?.hash === hash) chain.repeated += 1
    else chain.broken += 1
  }

  /** A gap or a break is reported, not punished: the record itself is signed, and who is wrong is for people to say. */
  #count(chain: Chain, record: UsageRecord): void {
    const { sequence, previousHash } = record
    if (sequence === chain.sequence + 1 && previousHash !== chain.hash) chain.broken += 1
    if (sequence > chain.sequence) {
      chain.missing += sequence - chain.sequence - 1
      chain.sequence = sequence
      chain.hash = record.hash
    } else chain.missing -= 1
    for (const { hour, runUs, egressBytes, requests } of slices(record)) {
      const { team, app, kind, vcpus, memoryMib } = record
      const [vcpuUs, mibUs] = [BigInt(runUs) * BigInt(vcpus), BigInt(runUs) * BigInt(memoryMib)]
      this.#addHour.run(team, app, kind, hour, runUs, vcpuUs, mibUs, egressBytes, requests)
    }
  }

  #chain(node: string): Chain {
    const found = this.#database.prepare('SELECT * FROM chains WHERE node = ?').get(node) as unknown as
      | Chain
      | undefined
    return {
      ...(found ?? { node, sequence: 0, hash: firstPreviousHash, missing: 0, repeated: 0, broken: 0, refused: 0 }),
    }
  }
}

type Chain = ChainReport & { hash: string }
