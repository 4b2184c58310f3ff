import { randomUUID } from 'node:crypto'
import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { runTool } from '../../runtime/src/image/run-tool.ts'

/** Examples whose folder holds `server.c` get a static binary `server` beside it, made anew when the source is newer. */
export async function makeServers(folder: string): Promise<void> {
  const source = join(folder, 'server.c')
  const binary = join(folder, 'server')
  const [made, from] = await Promise.all([source, binary].map((path) => stat(path).catch(() => undefined)))
  if (!made || (from && from.mtimeMs >= made.mtimeMs)) return
  const fresh = `${binary}.${randomUUID()}` // several may be at it
  const args = ['-static', '-O2', '-Wall', '-Wextra', '-Werror', '-s', '-o', fresh, source]
  const { code, tail } = await runTool('musl-gcc', args)
  if (code !== 0) throw new Error(`musl-gcc could not make ${source}:\n${tail}`)
  await rename(fresh, binary)
}

/** For the set-up: afterwards `little deploy examples/hello` needs no network. */
export async function makeExampleServers(): Promise<void> {
  const examples = join(import.meta.dirname, '../../examples')
  for (const name of ['hello', 'static']) await makeServers(join(examples, name))
}
