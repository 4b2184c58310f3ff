import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { imageDigest } from '../core/ids.ts'
import { ImageConfig } from '../model/release.ts'
import { findImage, imagePaths, newWorkFolder, removeImage, saveImage } from './store.ts'

const digest = imageDigest(`sha256:${'5'.repeat(64)}`)
const record = { config: ImageConfig.parse({ cmd: ['/run'] }), rootBytes: 4 }

function dataFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'littlecloud-store-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'images'))
  return folder
}

function rootIn(folder: string): string {
  const path = join(folder, `root-${Math.random()}`)
  writeFileSync(path, 'root')
  return path
}

test('a saved image is found with all that was known of it, and gone once removed', async (t) => {
  const folder = dataFolder(t)
  assert.equal(await findImage(folder, digest), undefined)
  const saved = await saveImage(folder, digest, rootIn(folder), record)
  assert.deepEqual(await findImage(folder, digest), saved)
  assert.equal(readFileSync(saved.rootPath, 'utf8'), 'root')
  await removeImage(folder, digest)
  assert.equal(await findImage(folder, digest), undefined)
  assert.deepEqual(readdirSync(join(folder, 'images')), [])
})

test('of two that save the same image the later one finds it done', async (t) => {
  const folder = dataFolder(t)
  await Promise.all([rootIn(folder), rootIn(folder)].map((root) => saveImage(folder, digest, root, record)))
  assert.deepEqual(readdirSync(join(folder, 'images')), [imagePaths(folder, digest).folder.split('/').at(-1)])
})

test('what a killed process left is cleared away, what a living one is at is not', async (t) => {
  const folder = dataFolder(t)
  const { pid: dead } = spawnSync('true')
  for (const name of [`.work-${dead}-a`, `.new-${dead}-b`, `.old-${dead}-c`, `.work-${process.ppid}-d`]) {
    mkdirSync(join(folder, 'images', name, 'blobs'), { recursive: true })
  }
  const work = await newWorkFolder(folder)
  assert.deepEqual(
    readdirSync(join(folder, 'images')).sort(),
    [`.work-${process.ppid}-d`, work.split('/').at(-1)].sort(),
  )
})
