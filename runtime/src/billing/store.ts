import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * The read model: everything in it comes from the USAGE stream and may be deleted; it is then rebuilt. The position in
 * the stream is written in the same transaction as what was read, so a record counts exactly once.
 */
const schema = `
CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO position VALUES (1, 0);
CREATE TABLE IF NOT EXISTS records (
  node TEXT NOT NULL, sequence INTEGER NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (node, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chains (
  node TEXT PRIMARY KEY, sequence INTEGER NOT NULL, hash TEXT NOT NULL,
  missing INTEGER NOT NULL DEFAULT 0, repeated INTEGER NOT NULL DEFAULT 0, broken INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (position INTEGER PRIMARY KEY, node TEXT NOT NULL, records TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS hours (
  team TEXT NOT NULL, app TEXT NOT NULL, kind TEXT NOT NULL, hour INTEGER NOT NULL,
  run_us INTEGER NOT NULL, vcpu_us INTEGER NOT NULL, mib_us INTEGER NOT NULL,
  egress_bytes INTEGER NOT NULL, requests INTEGER NOT NULL,
  PRIMARY KEY (team, app, kind, hour)
) STRICT, WITHOUT ROWID;
`

export function openStore(file: string): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
  database.exec(schema)
  return database
}

/** All of it or nothing. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}
