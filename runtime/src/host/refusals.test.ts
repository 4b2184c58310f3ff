import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fleet } from './fleet.ts'
import { Refusals } from './refusals.ts'

test("an app's log says how many packets were refused since it said so last, also after the rules were flushed", async () => {
  const instances = [
    { record: { team: 't', app: 'web', release: 1, id: 'i-1', address: '10.77.0.5' } },
  ] as unknown as Fleet['instances']
  const said: string[] = []
  const logs = { source: () => ({ write() {}, close() {}, system: (text: string) => said.push(text) }) }
  const refusals = new Refusals()
  for (const count of [0, 3, 3, 10, 2]) {
    const network = { refusals: async () => new Map([['10.77.0.5', count]]) }
    await refusals.tell(network, { instances }, logs)
  }
  assert.deepEqual(
    said.map((text) => text.split(':')[0]),
    ['3 packets were refused', '7 packets were refused', '2 packets were refused'],
  )
})
