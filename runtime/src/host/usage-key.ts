import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'

export interface UsageKey {
  private: KeyObject
  /** SPKI DER in base64, as model/node announces it. */
  public: string
}

/** The node's signing key; made at the first call, 0600, and never replaced: readers know the node by it. */
export function usageKeyPair(file: string): UsageKey {
  const key = createPrivateKey(readOrMake(file))
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return { private: key, public: spki.toString('base64') }
}

function readOrMake(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })
  const temporary = `${file}.${process.pid}`
  const descriptor = openSync(temporary, 'w', 0o600)
  writeSync(descriptor, pem)
  fsyncSync(descriptor)
  closeSync(descriptor)
  try {
    linkSync(temporary, file) // unlike rename it never replaces a key that somebody else made meanwhile
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  rmSync(temporary)
  return readFileSync(file, 'utf8')
}
