import assert from 'node:assert/strict'
import { test } from 'node:test'
import { edgeMessage } from './edge-message.ts'

const usage = { hold: 'h-1', requests: 1, egressBytes: 2, inFlight: 0 }
const held = { hold: 'h-1', instance: 'i-1', incarnation: 1, soft: 20, hard: 100 }
const good = [
  { type: 'hello', edge: 'e-1', epoch: 'x', holds: [held] },
  { type: 'acquire', id: 1, team: 'main', app: 'hello', release: 1, not: ['i-1'], deadlineMs: 1000 },
  { type: 'renew', usage: [usage] },
  { type: 'letGo', hold: 'h-1', usage },
  { type: 'shrunk', hold: 'h-1', soft: 1, hard: 1 },
]

test('each message of the holds protocol is taken as it is', () => {
  for (const message of good) assert.deepEqual(edgeMessage(message), message)
})

test('an acquire may name the one instance that will do', () => {
  const only = { instance: 'i-1', incarnation: 2 }
  assert.deepEqual(edgeMessage({ ...good[1], only }), { ...good[1], only })
  for (const odd of [null, 'i-1', { instance: 'i-1' }, { instance: 1, incarnation: 2 }])
    assert.equal(edgeMessage({ ...good[1], only: odd }), undefined)
})

test('a message that lacks any of its fields, or has one of another kind, is none', () => {
  for (const message of good) {
    for (const field of Object.keys(message)) {
      const { [field as 'type']: _, ...without } = message
      assert.equal(edgeMessage(without), undefined, `${message.type} without ${field}`)
      assert.equal(
        edgeMessage({ ...message, [field]: { other: true } }),
        undefined,
        `${message.type} with odd ${field}`,
      )
    }
  }
  for (const other of [null, 1, 'hello', [], { type: 'other' }, { type: 'renew', usage: [null] }]) {
    assert.equal(edgeMessage(other), undefined)
  }
})
