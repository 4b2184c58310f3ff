import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What a state file holds; `revision` is the highest one among the entries. */
export interface SavedState {
  savedAt: number
  revision: number
  entries: unknown[]
}

/**
 * One line of JSON after its sha256: whole or not at all, also after a power cut. A file that was damaged on disk is
 * told from one that is missing, because the operator should hear of it.
 */
export async function saveState(file: string, state: SavedState): Promise<void> {
  const text = JSON.stringify(state)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const handle = await open(`${file}.new`, 'w', 0o600)
  try {
    await handle.writeFile(`${sha256(text)}\n${text}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.new`, file)
}

export async function loadState(file: string): Promise<SavedState | 'missing' | 'damaged'> {
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'missing'
    throw error
  }
  const [sum, text] = content.split('\n')
  if (text === undefined || sha256(text) !== sum) return 'damaged'
  return JSON.parse(text) as SavedState
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
