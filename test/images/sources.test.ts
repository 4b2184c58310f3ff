// All the places that an image may come from, each with what may go wrong there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type ImportStep, importImage } from '../../runtime/src/image/import.ts'
import { imagePaths, removeImage } from '../../runtime/src/image/store.ts'
import { makeLayout, makeListLayout } from './make-layout.ts'
import { makeTar } from './make-tar.ts'
import { mounted, scratch } from './mount.ts'
import { freePort, startClosedRegistry, startRegistry } from './registry.ts'

const layer = makeTar([{ name: 'greeting', content: 'hi' }])
const config = {
  Cmd: ['/run', 'it'],
  Env: ['A=1'],
  ExposedPorts: { '8080/tcp': {}, '53/udp': {} },
  StopSignal: 'SIGINT',
}
const copy = (...args: string[]) => execFileSync('skopeo', ['--insecure-policy', 'copy', '--quiet', ...args])
const code = (expected: string) => (error: Error & { code?: string }) => error.code === expected

test('an OCI layout is imported once, and found again without reading its layers', async (t) => {
  const folder = scratch(t)
  const layout = makeLayout(join(folder, 'layout'), { layers: [layer], config })
  const dataDir = join(folder, 'data')
  const first = await importImage(`oci:${layout}`, { dataDir })
  assert.deepEqual(
    [first.config.cmd, first.config.env, first.config.exposedPorts, first.config.stopSignal],
    [['/run', 'it'], ['A=1'], [8080], 'SIGINT'],
  )
  assert.equal(statSync(first.rootPath).size, first.rootBytes)
  assert.equal(statSync(first.rootPath).mode & 0o777, 0o600)
  assert.equal(statSync(first.rootPath).uid, 0)
  const steps: ImportStep[] = []
  assert.deepEqual(await importImage(layout, { dataDir, onProgress: (step) => steps.push(step) }), first)
  assert.deepEqual(steps, [{ name: 'resolve' }])
  assert.equal(readFileSync(join(mounted(folder, first.rootPath), 'greeting'), 'utf8'), 'hi')
})

test('the same image is the same bytes in another data folder', async (t) => {
  const folder = scratch(t)
  const layout = makeLayout(join(folder, 'layout'), { layers: [layer] })
  const [one, two] = await Promise.all(
    ['one', 'two'].map((name) => importImage(layout, { dataDir: join(folder, name) })),
  )
  assert.ok(readFileSync(one!.rootPath).equals(readFileSync(two!.rootPath)))
})

test('ten callers share one import, and one that gives up takes nobody with it', async (t) => {
  const folder = scratch(t)
  const layout = makeLayout(join(folder, 'layout'), { layers: [layer] })
  const dataDir = join(folder, 'data')
  const unpacked: ImportStep[] = []
  const onProgress = (step: ImportStep) => step.name === 'unpack' && unpacked.push(step)
  const impatient = new AbortController()
  const gaveUp = importImage(layout, {
    dataDir,
    signal: impatient.signal,
    onProgress: (step) => step.name === 'unpack' && impatient.abort(),
  }).catch((error: Error) => assert.equal(error.name, 'AbortError'))
  const others = Array.from({ length: 9 }, () => importImage(layout, { dataDir, onProgress }))
  const images = await Promise.all(others)
  assert.equal(new Set(images.map(({ rootPath }) => rootPath)).size, 1)
  assert.ok(unpacked.length <= 1)
  await gaveUp
})

test('a removed image is imported again', async (t) => {
  const folder = scratch(t)
  const layout = makeLayout(join(folder, 'layout'), { layers: [layer] })
  const dataDir = join(folder, 'data')
  const { digest } = await importImage(layout, { dataDir })
  await removeImage(dataDir, digest)
  await removeImage(dataDir, digest) // twice does no harm
  assert.throws(() => statSync(imagePaths(dataDir, digest).folder))
  assert.equal((await importImage(layout, { dataDir })).digest, digest)
})

test('archives of docker save and of OCI are told apart by what is in them, a compressed one is refused', async (t) => {
  const folder = scratch(t)
  const layout = makeLayout(join(folder, 'layout'), { layers: [layer], config })
  const docker = join(folder, 'docker.tar')
  const oci = join(folder, 'oci.tar')
  copy(`oci:${layout}`, `docker-archive:${docker}:some/name:tag`)
  copy(`oci:${layout}`, `oci-archive:${oci}`)
  writeFileSync(`${docker}.gz`, gzipSync(readFileSync(docker)))
  for (const reference of [docker, `docker-archive:${docker}`, `docker-archive:${docker}:some/name:tag`, oci]) {
    const { config } = await importImage(reference, { dataDir: join(folder, 'data') })
    assert.deepEqual(config.cmd, ['/run', 'it'], reference)
  }
  await assert.rejects(importImage(`${docker}.gz`, { dataDir: folder }), /compressed: unpack it first/)
})

test('a registry gives its image by tag and by digest, and says what it does not have', async (t) => {
  const folder = scratch(t)
  const registry = await startRegistry(t, folder)
  const layout = makeLayout(join(folder, 'layout'), { layers: [layer, makeTar([{ name: '.wh.greeting' }])], config })
  copy('--dest-tls-verify=false', `oci:${layout}`, `docker://${registry}/team/app:v1`)
  const options = { dataDir: join(folder, 'data'), tlsVerify: false }
  const image = await importImage(`${registry}/team/app:v1`, options)
  assert.deepEqual(await importImage(`${registry}/team/app@${image.digest}`, options), image)
  await assert.rejects(importImage(`${registry}/team/app:v2`, options), code('image.not_found'))
  await assert.rejects(importImage(`${registry}/nobody/nothing`, options), code('image.not_found'))
  await assert.rejects(
    importImage(`${registry}/team/app:v1`, { ...options, tlsVerify: true }),
    code('image.registry_without_tls'),
  )
})

test('a registry that is not there, and one that wants a login, are told apart', async (t) => {
  const options = { dataDir: scratch(t), tlsVerify: false }
  await assert.rejects(importImage(`127.0.0.1:${await freePort()}/a`, options), code('image.registry_unreachable'))
  await assert.rejects(importImage(`${await startClosedRegistry(t)}/a`, options), code('image.unauthorized'))
})

test('a list of images gives the one for linux/amd64, or tells which there are', async (t) => {
  const folder = scratch(t)
  const arm = { layers: [layer], architecture: 'arm64', config: { Cmd: ['/arm'] } }
  const amd = { layers: [layer], config: { Cmd: ['/amd'] } }
  const dataDir = join(folder, 'data')
  const { config } = await importImage(makeListLayout(join(folder, 'both'), [arm, amd]), { dataDir })
  assert.deepEqual(config.cmd, ['/amd'])
  await assert.rejects(importImage(makeListLayout(join(folder, 'arm'), [arm]), { dataDir }), (error: Error) => {
    assert.match(error.message, /not made for linux\/amd64 but for linux\/arm64/)
    return code('image.wrong_platform')(error)
  })
  await assert.rejects(importImage(makeLayout(join(folder, 'one'), arm), { dataDir }), code('image.wrong_platform'))
})

test('a folder with a Dockerfile is built, its healthcheck kept, and its unchanged steps reused', async (t) => {
  const folder = scratch(t)
  const app = join(folder, 'app')
  mkdirSync(app)
  writeFileSync(join(app, 'data'), 'some data')
  const healthcheck = 'HEALTHCHECK --interval=7s --retries=4 CMD ["/data", "--ok"]'
  writeFileSync(
    join(app, 'Dockerfile'),
    `FROM scratch\nARG NOTE=none\nCOPY data /data\n${healthcheck}\nENV NOTE=$NOTE\nCMD ["/data"]\n`,
  )
  const dataDir = join(folder, 'data')
  const lines: string[] = []
  const onProgress = ({ name, detail }: ImportStep) => name === 'build' && lines.push(detail ?? '')
  const image = await importImage(app, { dataDir, onProgress, buildArgs: { NOTE: 'given' } })
  assert.ok(lines.some((line) => line.includes('COPY data /data')))
  assert.deepEqual(image.config.healthcheck?.test, ['CMD', '/data', '--ok'])
  assert.deepEqual([image.config.healthcheck?.intervalMs, image.config.healthcheck?.retries], [7_000, 4])
  assert.ok(image.config.env.includes('NOTE=given'))
  assert.deepEqual(await importImage(app, { dataDir, buildArgs: { NOTE: 'given' } }), image)
})

test('a build that fails shows its last lines', async (t) => {
  const folder = scratch(t)
  writeFileSync(join(folder, 'Containerfile'), 'FROM scratch\nCOPY nothing /\n')
  await assert.rejects(importImage(folder, { dataDir: join(folder, 'data') }), (error: Error) => {
    assert.match(error.message, /nothing.*no such file/s)
    return code('image.build_failed')(error)
  })
})

test('an image without a command is refused, unless the caller brings one', async (t) => {
  const folder = scratch(t)
  const layout = makeLayout(join(folder, 'layout'), { layers: [layer], config: { Cmd: null } })
  const dataDir = join(folder, 'data')
  await assert.rejects(importImage(layout, { dataDir }), code('image.no_command'))
  assert.deepEqual((await importImage(layout, { dataDir, hasCommand: true })).config.cmd, [])
})
