import { rm, writeFile } from 'node:fs/promises'

/** Debian asks this program before a freshly installed service is started; 101 means "not allowed". */
const policy = '/usr/sbin/policy-rc.d'
const text =
  '#!/bin/sh\n# Of the set-up of littlecloud, while it installs packages; can be deleted afterwards.\nexit 101\n'

/** Packages like haproxy would start a server of their own at once: nobody asked for that. A policy that exists is kept. */
export async function withoutServices<T>(work: () => Promise<T>): Promise<T> {
  const ours = await writeFile(policy, text, { mode: 0o755, flag: 'wx' }).then(
    () => true,
    () => false,
  )
  try {
    return await work()
  } finally {
    if (ours) await rm(policy, { force: true })
  }
}
