import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { imageDigest } from '../core/ids.ts'
import { ImageCache } from './image-cache.ts'

test('an image is fetched once; one that was damaged on disk is noticed by the next agent and fetched again', async (t) => {
  const image = Buffer.alloc(3_000_000, 'an image ')
  let fetches = 0
  const server = http.createServer((_request, response) => {
    fetches++
    response.end(image)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dir = mkdtempSync(join(tmpdir(), 'littlecloud-images-'))
  t.after(() => {
    server.close()
    server.closeAllConnections()
    rmSync(dir, { recursive: true })
  })
  const tokenFile = join(dir, 'token')
  writeFileSync(tokenFile, 'secret')
  const control = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tokenFile }
  const damaged: string[] = []
  const digest = imageDigest(`sha256:${'a'.repeat(64)}`)
  const anAgentGets = () => new ImageCache(join(dir, 'images'), control, (one) => damaged.push(one)).get(digest)

  const path = await anAgentGets()
  assert.equal(await anAgentGets(), path)
  assert.equal(fetches, 1)
  const bytes = readFileSync(path)
  bytes[1_234_567]! ^= 1
  writeFileSync(path, bytes)
  assert.equal(await anAgentGets(), path)
  assert.deepEqual([fetches, damaged], [2, [digest]])
  assert.ok(readFileSync(path).equals(image))
})
