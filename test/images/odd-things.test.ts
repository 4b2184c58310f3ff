// Everything odd that an image may hold, against what is written here by hand, as the kernel shows it when mounted.
import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { importImage } from '../../runtime/src/image/import.ts'
import { makeLayout } from './make-layout.ts'
import { makeTar, type TarSpec } from './make-tar.ts'
import { mounted, scratch } from './mount.ts'
import { xattrsOf } from './xattrs.ts'

async function rootOf(t: TestContext, layers: TarSpec[][], compress: 'gzip' | 'zstd' | 'none' = 'gzip') {
  const folder = scratch(t)
  const reference = makeLayout(join(folder, 'layout'), { layers: layers.map(makeTar), compress })
  const { rootPath } = await importImage(reference, { dataDir: join(folder, 'data') })
  const root = mounted(folder, rootPath)
  return {
    stat: (path: string) => lstatSync(join(root, path), { bigint: true }),
    names: (path = '') => readdirSync(join(root, path)).sort(),
    text: (path: string) => readFileSync(join(root, path), 'utf8'),
    link: (path: string) => readlinkSync(join(root, path)),
    xattrs: (path: string) => xattrsOf(join(root, path)),
    root,
  }
}

const folder = (name: string, rest: Partial<TarSpec> = {}): TarSpec => ({ name, type: 'folder', ...rest })

test('a whiteout takes away what lies below, and not what its own layer puts back', async (t) => {
  const { names, text } = await rootOf(t, [
    [
      folder('d/'),
      { name: 'd/old', content: 'old' },
      { name: 'gone', content: 'x' },
      { name: 'file', content: 'below' },
    ],
    [
      { name: 'file', content: 'above' },
      { name: '.wh.file' },
      { name: '.wh.gone' },
      { name: '.wh.d' },
      folder('d/'),
      { name: 'd/new' },
    ],
  ])
  assert.deepEqual(names(), ['d', 'file'])
  assert.deepEqual(names('d'), ['new'])
  assert.equal(text('file'), 'above')
})

test('an opaque mark empties a folder of the layers below even if it stands after the new entries', async (t) => {
  const { names, stat } = await rootOf(t, [
    [folder('d/', { mode: 0o700 }), { name: 'd/a' }, folder('d/sub/'), { name: 'd/sub/b' }],
    [folder('d/', { mode: 0o750 }), { name: 'd/new' }, { name: 'd/.wh..wh..opq' }],
  ])
  assert.deepEqual(names('d'), ['new'])
  assert.equal(stat('d').mode & 0o7777n, 0o750n)
})

test('hard links hold across layers, and replacing one name leaves the other', async (t) => {
  const { stat, text } = await rootOf(t, [
    [
      { name: 'a', content: 'one' },
      { name: 'b', type: 'link', target: 'a' },
      { name: 'x', content: 'two' },
    ],
    [
      { name: 'c', type: 'link', target: '/a' },
      { name: 'b', content: 'new b' },
    ],
    [{ name: '.wh.x' }, folder('d/'), { name: 'd/c2', type: 'link', target: './c' }],
  ])
  assert.equal(stat('a').ino, stat('c').ino)
  assert.equal(stat('a').ino, stat('d/c2').ino)
  assert.equal(stat('a').nlink, 3n)
  assert.equal(stat('b').nlink, 1n)
  assert.deepEqual([text('a'), text('b'), text('d/c2')], ['one', 'new b', 'one'])
})

test('owners, modes, times and devices come out as they went in', async (t) => {
  const { stat } = await rootOf(t, [
    [
      { name: 'su', mode: 0o4755, uid: 0, gid: 12 },
      { name: 'big', uid: 3_000_000_000, gid: 70_000, mode: 0o640, mtime: '1700000000.123456789' },
      { name: 'before', mtime: '-1.25' },
      folder('tmp/', { mode: 0o1777 }),
      { name: 'tty', type: 'character', device: [4, 300], mode: 0o620, gid: 5 },
      { name: 'disk', type: 'block', device: [259, 70_000], mode: 0o660 },
      { name: 'pipe', type: 'fifo', mode: 0o600 },
      { name: 'empty' },
    ],
  ])
  assert.equal(stat('su').mode & 0o7777n, 0o4755n)
  assert.equal(stat('su').gid, 12n)
  const { uid, gid, mtimeNs, mode } = stat('big')
  assert.deepEqual([uid, gid, mtimeNs, mode & 0o7777n], [3_000_000_000n, 70_000n, 1_700_000_000_123_456_789n, 0o640n])
  assert.equal(stat('before').mtimeNs, -1_250_000_000n)
  assert.equal(stat('tmp').mode, 0o41777n)
  assert.equal(stat('tty').isCharacterDevice() && stat('tty').rdev, makedev(4, 300))
  assert.equal(stat('disk').isBlockDevice() && stat('disk').rdev, makedev(259, 70_000))
  assert.equal(stat('pipe').isFIFO() && stat('pipe').mode & 0o777n, 0o600n)
  assert.equal(stat('empty').size, 0n)
})

/** glibc's encoding of st_rdev. */
const makedev = (major: number, minor: number) =>
  BigInt(minor & 0xff) | (BigInt(major & 0xfff) << 8n) | (BigInt(minor >>> 8) << 20n)

test('capabilities and extended attributes are kept, on files, folders and beside inline content', async (t) => {
  const capability = '\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0' // cap_net_bind_service+ep
  const long = 'v'.repeat(3_900)
  const { xattrs, text } = await rootOf(t, [
    [
      { name: 'ping', content: 'binary', xattrs: { 'security.capability': capability } },
      { name: 'noted', content: 'n'.repeat(1_000), xattrs: { 'user.note': 'hi\0there\n=', 'user.long': long } },
      { name: 'huge', content: 'h', xattrs: { 'user.huge': 'w'.repeat(20_000), 'trusted.overlay.opaque': 'y' } },
      folder('d/', { xattrs: { 'user.dir': 'yes' } }),
    ],
  ])
  assert.deepEqual(xattrs('ping'), { 'security.capability': capability })
  assert.deepEqual(xattrs('noted'), { 'user.note': 'hi\0there\n=', 'user.long': long })
  assert.deepEqual(xattrs('huge'), { 'user.huge': 'w'.repeat(20_000) })
  assert.deepEqual(xattrs('d'), { 'user.dir': 'yes' })
  assert.deepEqual([text('ping'), text('noted'), text('huge')], ['binary', 'n'.repeat(1_000), 'h'])
})

test('long names, names that are not UTF-8 and long link targets are kept byte by byte', async (t) => {
  const deep = `${'p'.repeat(120)}/${'q'.repeat(255)}`
  const target = `/${'t'.repeat(3_000)}`
  const { root, text, link } = await rootOf(t, [
    [
      { name: deep, content: 'pax' },
      { name: `gnu/${'g'.repeat(200)}`, content: 'gnu', long: 'gnu' },
      { name: 'latin\xe9\xff', content: 'bytes' },
      { name: 'far', type: 'symlink', target },
      { name: 'far2', type: 'symlink', target: target.replaceAll('t', 'u'), long: 'gnu' },
      { name: 'block', type: 'symlink', target: `/${'v'.repeat(4_094)}` },
    ],
  ])
  assert.equal(text(deep), 'pax')
  assert.equal(text(`gnu/${'g'.repeat(200)}`), 'gnu')
  const names = readdirSync(root, { encoding: 'buffer' }).map((name) => name.toString('latin1'))
  assert.ok(names.includes('latin\xe9\xff'))
  assert.equal(readFileSync(Buffer.concat([Buffer.from(`${root}/latin`), Buffer.from([0xe9, 0xff])]), 'utf8'), 'bytes')
  assert.equal(link('far'), target)
  assert.equal(link('far2'), target.replaceAll('t', 'u'))
  assert.equal(link('block').length, 4_095)
})

test('an entry through a symlinked folder lands where the link points inside the image', async (t) => {
  const { names, text, link } = await rootOf(t, [
    [
      folder('usr/'),
      folder('usr/lib/'),
      { name: 'lib', type: 'symlink', target: 'usr/lib' },
      { name: 'up', type: 'symlink', target: '../../../etc' },
    ],
    [{ name: 'lib/x.so', content: 'lib' }, { name: 'up/shadow', content: 'inside' }, { name: 'lib/.wh.nothing' }],
    [{ name: '.wh.lib' }, folder('lib/'), { name: 'lib/own' }],
  ])
  assert.equal(text('usr/lib/x.so'), 'lib')
  assert.equal(text('etc/shadow'), 'inside') // the image's own /etc
  assert.deepEqual(names('lib'), ['own'])
  assert.equal(link('up'), '../../../etc')
})

test('a folder over a symlink replaces it, a folder over a folder keeps what is in it, a file over a folder replaces all', async (t) => {
  const { names, stat, text } = await rootOf(t, [
    [folder('a/'), { name: 'a/1' }, { name: 'l', type: 'symlink', target: 'a' }, folder('f/'), { name: 'f/1' }],
    [folder('a/', { mode: 0o711 }), { name: 'a/2' }, folder('l/'), { name: 'l/3' }, { name: 'f', content: 'file' }],
  ])
  assert.deepEqual(names('a'), ['1', '2'])
  assert.equal(stat('a').mode & 0o777n, 0o711n)
  assert.deepEqual(names('l'), ['3'])
  assert.equal(text('f'), 'file')
})

test('missing parents are made as root, paths are the same with ./ or / or without, and the root keeps its own mode', async (t) => {
  const { names, stat } = await rootOf(t, [
    [folder('./', { mode: 0o711, uid: 7 }), { name: './one/two/three' }, { name: '/abs' }, { name: 'x/../plain' }],
  ])
  assert.deepEqual(names(), ['abs', 'one', 'plain'])
  assert.equal(stat('one/two').mode, 0o40755n)
  assert.deepEqual([stat('').mode & 0o777n, stat('').uid], [0o711n, 7n])
})

for (const compress of ['zstd', 'none'] as const) {
  test(`layers may be ${compress === 'none' ? 'uncompressed' : 'compressed with zstd'}`, async (t) => {
    const content = Buffer.alloc(3 * 1024 * 1024 + 17, 'little')
    const { root } = await rootOf(t, [[{ name: 'big', content }]], compress)
    assert.ok(readFileSync(join(root, 'big')).equals(content))
  })
}

test('files of every size around a block and folders of many blocks are read back whole', async (t) => {
  const sizes = [1, 2_047, 2_048, 2_049, 4_031, 4_032, 4_033, 4_095, 4_096, 4_097, 6_144, 6_145, 1_048_576, 1_050_625]
  const content = (size: number) => Buffer.alloc(size, `${size} bytes, `)
  const many = Array.from(
    { length: 2_000 },
    (_, index): TarSpec => ({ name: `many/${'n'.repeat(index % 200)}-${index}` }),
  )
  const { root, names } = await rootOf(t, [
    [...sizes.map((size) => ({ name: `s${size}`, content: content(size) })), ...many],
  ])
  for (const size of sizes) assert.ok(readFileSync(join(root, `s${size}`)).equals(content(size)), `${size} bytes`)
  assert.deepEqual(names('many'), many.map(({ name }) => name.slice('many/'.length)).sort())
  for (const { name } of many) assert.equal(lstatSync(join(root, name)).size, 0) // found by name: the order on disk is right
})
