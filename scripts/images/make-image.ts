import { copyFile, cp, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheDir } from '../../runtime/src/core/paths.ts'
import { buildTag } from '../../runtime/src/image/build.ts'
import { buildahStorage } from '../../runtime/src/image/buildah.ts'
import { runTool } from '../../runtime/src/image/run-tool.ts'
import { makeDebianRootfs } from './debian-rootfs.ts'
import { recipeHash, recipeOf } from './recipes.ts'
import { makeServers } from './servers.ts'

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

/** Where the finished image of a recipe lies: `<cache>/images/<name>-<hash>.tar`, as `docker save` makes it. */
export const imageArchive = (name: string) => join(cacheDir(), 'images', `${name}-${recipeHash(name)}.tar`)

/** Makes an image and the ones it stands on, unless they are there; resolves with its archive's path. */
export async function makeImage(name: string, onLine: (line: string) => void = () => {}): Promise<string> {
  const recipe = recipeOf(name)
  await makeServers(recipe.folder)
  const archive = imageArchive(name)
  if (await exists(archive)) return archive
  await mkdir(join(cacheDir(), 'images'), { recursive: true })
  const work = await mkdtemp(join(cacheDir(), 'images', `.${name}-`))
  try {
    const context = join(work, 'context')
    await cp(recipe.folder, context, { recursive: true })
    for (const [file, path] of Object.entries(recipe.adds ?? {})) await copyFile(path, join(context, file))
    if (name === 'debian') await makeDebianRootfs(join(context, 'rootfs.tar'), onLine)
    const buildArgs: Record<string, string> = recipe.base ? { BASE: await baseTag(recipe.base, onLine) } : {}
    await buildTag(context, tagOf(name), { buildArgs, onLine })
    await pushArchive(tagOf(name), join(work, 'image.tar'), name)
    await rename(join(work, 'image.tar'), archive)
    await removeOlder(name, archive)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return archive
}

const tagOf = (name: string) => `localhost/littlecloud-${name}:${recipeHash(name)}`

/** Archives of earlier recipes of the same name: hundreds of MB each, and nobody asks for them again. */
async function removeOlder(name: string, archive: string) {
  const folder = dirname(archive)
  const older = (await readdir(folder)).filter(
    (file) => file.startsWith(`${name}-`) && /^[0-9a-f]{16}\.tar$/.test(file.slice(name.length + 1)),
  )
  for (const file of older) if (join(folder, file) !== archive) await rm(join(folder, file), { force: true })
}

/** The tag of a base in buildah's storage; it is loaded from its archive when only that was kept. */
export async function baseTag(name: string, onLine?: (line: string) => void): Promise<string> {
  const archive = await makeImage(name, onLine)
  const tag = tagOf(name)
  const storage = await buildahStorage()
  const found = await runTool('buildah', [...storage, 'inspect', '--type', 'image', tag], { ownMounts: true })
  if (found.code !== 0) await must('buildah', [...storage, 'pull', `docker-archive:${archive}:${tag}`])
  return tag
}

async function pushArchive(tag: string, path: string, name: string) {
  const args = [
    'push',
    '--format',
    'v2s2',
    '--disable-compression',
    tag,
    `docker-archive:${path}:localhost/littlecloud-${name}:${recipeHash(name)}`,
  ]
  await must('buildah', [...(await buildahStorage()), ...args])
}

async function must(command: string, args: string[]) {
  const { code, tail } = await runTool(command, args, { ownMounts: true })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${tail}`)
}
