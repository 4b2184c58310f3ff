import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AppName, imageDigest, type TeamId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import type { Release } from '../model/release.ts'
import type { BuildTools } from '../template/build.ts'
import { TemplateStore } from '../template/store.ts'
import { AppOnNode } from './app-on-node.ts'
import { ImageCache } from './image-cache.ts'
import type { Instance } from './instance.ts'
import { Leftovers } from './leftovers.ts'

const minutes = 60_000
const digestOf = (sign: string) => imageDigest(`sha256:${sign.repeat(64)}`)
const releaseOf = (sign: string) =>
  ({ number: 1, image: { digest: digestOf(sign) }, memoryMib: 128, cpus: 1 }) as unknown as Release

/** A node's folders with the image and the template of a, b, c and d, and one app on it. */
async function node(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-leftovers-'))
  t.after(() => rm(dir, { recursive: true }))
  const tools = { machine: { accelerator: 'tcg', tscKhz: 1 }, fingerprint: 'test' } as unknown as BuildTools
  const templates = new TemplateStore(join(dir, 'templates'), tools)
  const images = new ImageCache(join(dir, 'images'), { url: '', tokenFile: '' })
  await mkdir(join(dir, 'images'))
  const names = new Map<string, string>()
  for (const sign of ['a', 'b', 'c', 'd']) {
    const key = templates.keyOf({ digest: digestOf(sign), memoryMib: 128, cpus: 1 })
    names.set(key, sign)
    await mkdir(join(dir, 'templates', key), { recursive: true })
    await writeFile(join(dir, 'templates', key, 'ram'), '')
    for (const end of ['erofs', 'erofs.sha256'])
      await writeFile(join(dir, 'images', `${digestOf(sign).replace(':', '-')}.${end}`), '')
  }
  const app = new AppOnNode('main' as TeamId, 'app' as AppName)
  const leftovers = new Leftovers({ apps: [app] }, { images, templates, log: { info() {} } as unknown as Logger })
  t.after(() => leftovers[Symbol.dispose]())
  const left = async () => ({
    images: (await images.list()).map((digest) => digest.at(-1)).sort(),
    templates: (await templates.list()).map((key) => names.get(key)).sort(),
  })
  return { dir, app, leftovers, left }
}

const all = ['a', 'b', 'c', 'd']

test('what no release and no instance refers to goes after an hour, and nothing of it is left on the disk', async (t) => {
  const { dir, app, leftovers, left } = await node(t)
  app.wanted = { ready: [releaseOf('a')], kept: { release: releaseOf('b'), until: Number.MAX_SAFE_INTEGER } }
  app.instances.push({ record: { digest: digestOf('c'), memoryMib: 128, vcpus: 1 } } as unknown as Instance)
  await leftovers.look(0)
  await leftovers.look(59 * minutes)
  assert.deepEqual(await left(), { images: all, templates: all })
  await leftovers.look(60 * minutes)
  assert.deepEqual(await left(), { images: ['a', 'b', 'c'], templates: ['a', 'b', 'c'] })
  assert.deepEqual(
    [(await readdir(join(dir, 'images'))).length, (await readdir(join(dir, 'templates'))).length],
    [6, 3],
  )
})

test('what was needed in between begins its hour anew', async (t) => {
  const { app, leftovers, left } = await node(t)
  app.wanted = { ready: ['a', 'b', 'c'].map(releaseOf) }
  await leftovers.look(0)
  app.wanted.ready.push(releaseOf('d'))
  await leftovers.look(30 * minutes)
  app.wanted.ready.pop()
  await leftovers.look(60 * minutes)
  await leftovers.look(119 * minutes)
  assert.deepEqual(await left(), { images: all, templates: all })
  await leftovers.look(120 * minutes)
  assert.deepEqual(await left(), { images: ['a', 'b', 'c'], templates: ['a', 'b', 'c'] })
})

test('a template of another size is another template', async (t) => {
  const { app, leftovers, left } = await node(t)
  app.wanted = { ready: [{ ...releaseOf('a'), memoryMib: 256 }] }
  await leftovers.look(0)
  await leftovers.look(60 * minutes)
  assert.deepEqual(await left(), { images: ['a'], templates: [] })
})
