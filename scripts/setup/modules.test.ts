import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { MissingModule, modulesInOrder } from './modules.ts'

async function modulesFolder(t: TestContext, depends: Record<string, string>, builtIn: string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'modules-'))
  t.after(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'kernel/drivers'), { recursive: true })
  for (const [name, list] of Object.entries(depends)) {
    await writeFile(join(folder, 'kernel/drivers', `${name}.ko`), `ELF\0license=GPL\0depends=${list}\0name=x\0`)
  }
  await writeFile(join(folder, 'modules.builtin'), builtIn.map((name) => `kernel/lib/${name}.ko\n`).join(''))
  return folder
}

test('a module comes after all it depends on, and only once', async (t) => {
  const folder = await modulesFolder(
    t,
    { 'virtio-rng': 'virtio,virtio_ring', virtio: 'virtio_ring', virtio_ring: '', erofs: 'crc32c' },
    ['crc32c'],
  )
  const files = await modulesInOrder(folder, ['virtio_rng', 'virtio', 'erofs', 'crc32c'])
  assert.deepEqual(
    files.map((file) => basename(file)),
    ['virtio_ring.ko', 'virtio.ko', 'virtio-rng.ko', 'erofs.ko'],
  )
})

test('a module that the kernel lacks is named', async (t) => {
  const folder = await modulesFolder(t, { erofs: 'libcrc32c' })
  await assert.rejects(modulesInOrder(folder, ['erofs']), MissingModule)
})
