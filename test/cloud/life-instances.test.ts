import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { answered, deploy } from './life-cloud.ts'
import { cloud } from './one-cloud.ts'

const instances = 20

/** What each of the app's instances says, all of them asked at once: at a concurrency of one nobody is asked twice. */
async function askAll<T>(app: string): Promise<T[]> {
  const replies = await Promise.all(Array.from({ length: instances }, () => answered<T>(cloud, app, '/random?ms=4000')))
  return replies.map(({ value }) => value)
}

describe('twenty instances of one app', { concurrency: true }, () => {
  for (const image of ['life-node', 'life-python']) {
    test(`${image}: no random value and no secret made at the start is found in two of them`, async () => {
      await deploy(cloud, image, image, {
        idleMs: 500,
        memoryMib: 128,
        maxInstances: instances,
        spares: instances - 1,
        warm: { path: '/', times: 0 }, // forty starts are long enough
        concurrency: { soft: 1, hard: 1 },
      })
      await cloud.waitFor(image, instances, 300_000)
      const replies = await askAll<Record<string, string | number>>(image)
      for (const name of Object.keys(replies[0] ?? {})) {
        assert.equal(new Set(replies.map((reply) => reply[name])).size, instances, name)
      }
    })
  }
})
