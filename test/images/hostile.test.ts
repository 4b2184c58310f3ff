// Images made to do harm: each is refused with a reason, and costs no more than the limits say.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { importImage } from '../../runtime/src/image/import.ts'
import { defaultLimits, type PackLimits, packUid } from '../../runtime/src/image/limits.ts'
import { shutIn } from '../../runtime/src/image/shut-in.ts'
import { type Layout, makeLayout } from './make-layout.ts'
import { makeTar, type TarSpec } from './make-tar.ts'
import { mounted, scratch } from './mount.ts'

async function importing(
  t: TestContext,
  layout: Partial<Layout> & { entries?: TarSpec[] },
  limits: Partial<PackLimits> = {},
) {
  const folder = scratch(t)
  const layers = layout.layers ?? [makeTar(layout.entries ?? [{ name: 'f', content: 'x' }])]
  const reference = makeLayout(join(folder, 'layout'), { ...layout, layers })
  const dataDir = join(folder, 'data')
  try {
    return { folder, ...(await importImage(reference, { dataDir, limits })) }
  } finally {
    const left = existsSync(join(dataDir, 'images')) ? readdirSync(join(dataDir, 'images')) : []
    assert.deepEqual(
      left.filter((name) => name.startsWith('.')),
      [],
      'nothing half done is left behind',
    )
  }
}

const refused = (code: string, words: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, code, error.message)
  assert.match(error.message, words)
  return true
}

const escapes: [string, TarSpec][] = [
  ['a name that climbs out', { name: '../../../../tmp/escaped' }],
  ['a name that climbs out half-way', { name: 'a/../../b' }],
  ['a hard link to a file outside', { name: 'passwd', type: 'link', target: '../../../../etc/passwd' }],
  ['a hard link to a file that the image does not have', { name: 'passwd', type: 'link', target: '/etc/passwd' }],
]
for (const [what, spec] of escapes) {
  test(`${what} is refused`, async (t) => {
    await assert.rejects(importing(t, { entries: [spec] }), refused('image.corrupt', /leads out|hard link/))
    assert.ok(!existsSync('/tmp/escaped'))
  })
}

test('a symlink to the host’s folders leads to the image’s own', async (t) => {
  const entries: TarSpec[] = [
    { name: 'out', type: 'symlink', target: '/tmp' },
    { name: 'out/littlecloud-escaped', content: 'x' },
  ]
  const { folder, rootPath } = await importing(t, { entries })
  assert.deepEqual(readdirSync(join(mounted(folder, rootPath), 'tmp')), ['littlecloud-escaped'])
  assert.ok(!existsSync('/tmp/littlecloud-escaped'))
})

test('symlinks in a ring are refused', async (t) => {
  const entries: TarSpec[] = [
    { name: 'a', type: 'symlink', target: 'b' },
    { name: 'b', type: 'symlink', target: 'a' },
    { name: 'a/x', content: 'x' },
  ]
  await assert.rejects(importing(t, { entries }), refused('image.corrupt', /too many symlinks/))
})

test('a file below a file is refused', async (t) => {
  await assert.rejects(
    importing(t, { entries: [{ name: 'f' }, { name: 'f/x' }] }),
    refused('image.corrupt', /not a folder/),
  )
})

test('a layer that unpacks to more than is allowed is stopped on its way', async (t) => {
  const bomb = { entries: [{ name: 'zeros', content: Buffer.alloc(64 * 1024 * 1024) }] }
  await assert.rejects(importing(t, bomb, { maxBytes: 8 * 1024 * 1024 }), refused('image.too_big', /more bytes/))
})

test('a blob that is larger than is allowed is stopped while it is copied', async (t) => {
  const large = { entries: [{ name: 'zeros', content: Buffer.alloc(16 * 1024 * 1024) }], compress: 'none' as const }
  await assert.rejects(
    importing(t, large, { maxBytes: 8 * 1024 * 1024 }),
    refused('image.too_big', /larger than is allowed/),
  )
})

const crowd = Array.from({ length: 100_000 }, (_, index) => ({ name: `d${index % 1000}/f${index}` }))

test('100,000 files are packed, in well under the memory that is allowed', async (t) => {
  const { folder, rootPath } = await importing(t, { entries: crowd }, { memoryMib: 256 })
  assert.equal(readdirSync(join(mounted(folder, rootPath), 'd7')).length, 100)
})

test('more files than are allowed are refused', async (t) => {
  await assert.rejects(importing(t, { entries: crowd }, { maxFiles: 50_000 }), refused('image.too_big', /50000 files/))
})

test('an image that needs more memory than is allowed ends its child, not us', async (t) => {
  await assert.rejects(importing(t, { entries: crowd }, { memoryMib: 24 }), refused('image.too_big', /memory/))
})

test('an image that takes too long is stopped', async (t) => {
  await assert.rejects(importing(t, { entries: crowd }, { timeMs: 100 }), refused('image.too_big', /longer than 0.1 s/))
})

test('folders within folders ten thousand deep are packed', async (t) => {
  const { rootBytes } = await importing(t, { entries: [{ name: 'd/'.repeat(10_000), type: 'folder' }] })
  assert.ok(rootBytes > 10_000 * 64)
})

test('a blob that was cut short or changed is refused', async (t) => {
  for (const change of [
    (blob: Buffer) => blob.subarray(0, -20),
    (blob: Buffer) => Buffer.from(blob.map((b) => b ^ 1)),
  ]) {
    const tamper: Layout['tamper'] = ({ layers }) => layers.splice(0, 1, change(layers[0]!))
    await assert.rejects(importing(t, { tamper }), refused('image.corrupt', /digest|damaged/))
  }
})

test('a layer that unpacks to other bytes than the config says is refused', async (t) => {
  const tamper: Layout['tamper'] = ({ diffIds }) => diffIds.splice(0, 1, `sha256:${'0'.repeat(64)}`)
  await assert.rejects(importing(t, { tamper }), refused('image.corrupt', /unpacks to other bytes/))
})

test('a layer that is no tar, or a tar cut short, is refused', async (t) => {
  await assert.rejects(
    importing(t, { layers: [Buffer.alloc(10_000, 'noise')] }),
    refused('image.corrupt', /not a valid tar/),
  )
  const short = makeTar([{ name: 'big', content: Buffer.alloc(100_000) }]).subarray(0, 50_000)
  await assert.rejects(importing(t, { layers: [short] }), refused('image.corrupt', /ends in the middle/))
})

test('an archive cut short is refused', async (t) => {
  const folder = scratch(t)
  const layout = makeLayout(join(folder, 'layout'), {
    layers: [makeTar([{ name: 'f', content: Buffer.alloc(500_000) }])],
  })
  for (const kind of ['docker-archive', 'oci-archive']) {
    const path = join(folder, `${kind}.tar`)
    execFileSync('skopeo', ['--insecure-policy', 'copy', '--quiet', `oci:${layout}`, `${kind}:${path}`])
    truncateSync(path, statSync(path).size / 2)
    await assert.rejects(
      importImage(`${kind}:${path}`, { dataDir: join(folder, 'data') }),
      refused('image.corrupt', /damaged/),
    )
  }
})

test('the child that unpacks is nobody, has no network, and sees no file of the host', async (t) => {
  const work = scratch(t)
  for (const name of ['blobs', 'pack']) mkdirSync(join(work, name))
  chownSync(join(work, 'pack'), packUid, packUid)
  writeFileSync(
    join(work, 'pack/probe.mjs'),
    `import fs from 'node:fs'; import os from 'node:os'
    const tried = (path) => { try { fs.writeFileSync(path, ''); return 'written' } catch (error) { return error.code } }
    console.log(JSON.stringify({ uid: process.getuid(), groups: process.getgroups(), links: Object.keys(os.networkInterfaces()),
      root: fs.readdirSync('/').sort(), writes: ['/x', '/src/x', '/blobs/x', '/pack/x'].map(tried) }))`,
  )
  const { command, args } = await shutIn(work, defaultLimits, '/pack/probe.mjs')
  const seen = JSON.parse(execFileSync(command, args, { encoding: 'utf8' }))
  assert.equal(seen.uid, packUid)
  assert.deepEqual(seen.groups, [packUid])
  assert.deepEqual(seen.links, [])
  assert.deepEqual(seen.root, ['blobs', 'lib', 'lib64', 'node', 'pack', 'package.json', 'src', 'usr'])
  assert.deepEqual(seen.writes, ['EACCES', 'EROFS', 'EROFS', 'written'])
})
