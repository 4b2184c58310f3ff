import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The text of a private file (0600), made with `make` if it does not exist. Two processes at once agree on one text. */
export async function keyFile(path: string, make: () => string): Promise<string> {
  const known = await readFile(path, 'utf8').catch(() => undefined)
  if (known) return known.trim()
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(4).toString('hex')}`
  const file = await open(temporary, 'w', 0o600)
  await file.writeFile(`${make()}\n`)
  await file.sync()
  await file.close()
  await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error // another process was first: its text holds
  })
  await rm(temporary)
  return (await readFile(path, 'utf8')).trim()
}

export async function clusterKey(path: string): Promise<Buffer> {
  const key = Buffer.from(await keyFile(path, () => randomBytes(32).toString('hex')), 'hex')
  if (key.length !== 32) throw new Error(`${path} is not 32 bytes in hex`)
  return key
}
