import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LittleError } from '../../runtime/src/core/errors.ts'

export class MissingModule extends LittleError {
  readonly code = 'setup.missing_module'
  readonly status = 500
  readonly hint = 'Another kernel package may have it under another name: see guest/modules.list'
  constructor(name: string, folder: string) {
    super(`the guest kernel has no module ${name} in ${folder}`)
  }
}

/** The module files for these names, each after those it depends on. Modules built into the kernel are left out. */
export async function modulesInOrder(folder: string, names: string[]): Promise<string[]> {
  const files = new Map<string, string>()
  for (const path of await readdir(folder, { recursive: true })) {
    if (/\.ko(\.\w+)?$/.test(path)) files.set(moduleName(path), join(folder, path))
  }
  const builtIn = new Set((await lines(join(folder, 'modules.builtin'))).map(moduleName))
  const ordered = new Set<string>()
  const add = async (name: string): Promise<void> => {
    if (builtIn.has(name)) return
    const file = files.get(name)
    if (file === undefined) throw new MissingModule(name, folder)
    if (ordered.has(file)) return
    for (const needed of await dependencies(file)) await add(needed)
    ordered.add(file)
  }
  for (const name of names) await add(moduleName(name))
  return [...ordered]
}

/** `virtio-rng.ko.xz` and `virtio_rng` are one name to the kernel. */
const moduleName = (path: string) =>
  basename(path)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_')

/** A module says what it needs in its .modinfo section, as the text `depends=a,b`. */
async function dependencies(file: string): Promise<string[]> {
  const text = (await readFile(file)).toString('latin1')
  const depends = /\0depends=([^\0]*)\0/.exec(text)?.[1] ?? ''
  return depends.split(',').filter(Boolean).map(moduleName)
}

export async function lines(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\n').filter((line) => line && !line.startsWith('#'))
}
