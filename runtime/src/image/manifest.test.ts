import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CorruptImage, WrongPlatform } from './errors.ts'
import { digestFor, sha256 } from './manifest.ts'

const digest = (sign: string) => `sha256:${sign.repeat(64)}`
const image = (sign: string, architecture: string, os = 'linux') => ({
  digest: digest(sign),
  platform: { architecture, os },
})

test('of a list the image for linux/amd64 is taken, wherever it stands', () => {
  const manifests = [
    image('a', 'unknown', 'unknown'),
    image('b', 'arm64'),
    image('c', 'amd64', 'windows'),
    image('d', 'amd64'),
  ]
  assert.equal(digestFor('app', JSON.stringify({ manifests })), digest('d'))
})

test('a list without it says what there is', () => {
  const manifests = [
    image('b', 'arm64'),
    { ...image('c', 'arm'), platform: { architecture: 'arm', os: 'linux', variant: 'v7' } },
  ]
  assert.throws(
    () => digestFor('app', JSON.stringify({ manifests })),
    (error: Error) => {
      assert.ok(error instanceof WrongPlatform)
      assert.match(error.message, /linux\/arm64, linux\/arm\/v7/)
      return true
    },
  )
})

test('a single manifest stands for itself, by the digest of its very bytes', () => {
  const raw = `{"config":{"digest":"${digest('a')}"},\n "layers":[]}`
  assert.equal(digestFor('app', raw), sha256(raw))
})

test('what is neither is refused', () => {
  for (const raw of ['', '[]', '{}', '{"schemaVersion":1,"fsLayers":[]}'])
    assert.throws(() => digestFor('app', raw), CorruptImage)
})
