import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { defaultName } from './name.ts'

test('an app is named after its image, folder or archive', () => {
  const names: Record<string, string> = {
    nginx: 'nginx',
    'nginx:1.27': 'nginx',
    'registry.example:5000/team/My_Shop:v1.2': 'my-shop',
    'repo/app@sha256:0123': 'app',
    'repo/app:tag@sha256:0123': 'app',
    './examples/hello': 'hello',
    './examples/hello/': 'hello',
    '/tmp/shop.tar': 'shop',
    'oci:/tmp/layout:v1': 'layout',
    'oci:./a.b/layout': 'layout',
    'docker-archive:./x/db.tar': 'db',
    '.': basename(process.cwd()).toLowerCase(),
  }
  for (const [reference, name] of Object.entries(names)) assert.equal(defaultName(reference), name, reference)
})

test('a reference that holds no name asks for one', () => {
  assert.throws(() => defaultName('/tmp/123'), /gives no name/)
})
