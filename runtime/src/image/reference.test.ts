import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { BadReference } from './errors.ts'
import { parseReference, parseRegistryReference } from './reference.ts'

const folder = mkdtempSync(join(tmpdir(), 'littlecloud-reference-'))
after(() => rmSync(folder, { recursive: true }))

const digest = `sha256:${'a'.repeat(64)}`
const names: [text: string, repository: string, tag: string | undefined, digest?: string][] = [
  ['nginx', 'docker.io/library/nginx', 'latest'],
  ['nginx:1.27-alpine', 'docker.io/library/nginx', '1.27-alpine'],
  ['team/app', 'docker.io/team/app', 'latest'],
  ['docker.io/nginx', 'docker.io/library/nginx', 'latest'],
  ['ghcr.io/a/b/c:v1', 'ghcr.io/a/b/c', 'v1'],
  ['localhost/app', 'localhost/app', 'latest'],
  ['127.0.0.1:5000/app:2', '127.0.0.1:5000/app', '2'],
  [`nginx@${digest}`, 'docker.io/library/nginx', undefined, digest],
  [`nginx:1@${digest}`, 'docker.io/library/nginx', '1', digest],
]
for (const [text, repository, tag, digest] of names) {
  test(`${text} is read as Docker reads it`, () => {
    assert.deepEqual(parseRegistryReference(text), { kind: 'registry', repository, tag, digest })
  })
}

test('what is not a name is refused before anybody is asked', async () => {
  const wrong = [
    '',
    'Nginx',
    'nginx:',
    'nginx:a b',
    'a//b',
    'nginx@sha256:12',
    '--help',
    'a@b@c',
    './no-such-folder',
    '/no/such.tar',
  ]
  for (const text of wrong) await assert.rejects(parseReference(text), BadReference, text)
})

test('a folder with a Dockerfile, an OCI layout and their transports are told apart', async () => {
  const app = join(folder, 'app')
  const layout = join(folder, 'layout')
  for (const path of [app, layout]) mkdirSync(path)
  writeFileSync(join(app, 'Containerfile'), 'FROM scratch')
  writeFileSync(join(layout, 'oci-layout'), '{}')
  assert.deepEqual(await parseReference(app), { kind: 'folder', path: app })
  assert.deepEqual(await parseReference(layout), { kind: 'oci', path: layout, name: undefined })
  assert.deepEqual(await parseReference(`oci:${layout}:v1`), { kind: 'oci', path: layout, name: 'v1' })
  assert.deepEqual(await parseReference(`docker-archive:${folder}/a.tar:team/app:v1`), {
    kind: 'docker-archive',
    path: `${folder}/a.tar`,
    name: 'team/app:v1',
  })
  assert.equal((await parseReference('docker://quay.io/a/b')).kind, 'registry')
})
