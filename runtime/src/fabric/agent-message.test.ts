import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentMessage } from './agent-message.ts'

const reason = { code: 'app.crashed', message: 'it ended', hint: 'look at its log' }
const good = [
  { type: 'welcome', node: 'n-1', epoch: 'x' },
  { type: 'renewed' },
  {
    type: 'granted',
    id: 1,
    hold: 'h-1',
    instance: 'i-1',
    incarnation: 1,
    address: '10.77.0.2',
    port: 8080,
    soft: 20,
    hard: 100,
    from: 'parked',
    timing: { totalMs: 1.5, resumeMs: 0.7, clockMs: 1.2 },
    keepConnections: true,
  },
  {
    type: 'waking',
    id: 1,
    hold: 'h-1',
    instance: 'i-1',
    incarnation: 1,
    address: '10.77.0.2',
    port: 8080,
    soft: 20,
    hard: 100,
    keepConnections: true,
  },
  { type: 'awake', id: 1, from: 'parked', timing: { totalMs: 1.5, resumeMs: 0.7, clockMs: 1.2 } },
  { type: 'refused', id: 1, ...reason },
  { type: 'available', team: 'main', app: 'hello' },
  { type: 'shrink', hold: 'h-1', soft: 1, hard: 1 },
  { type: 'gone', instance: 'i-1', incarnation: 1, reason },
]

test('each message of the holds protocol is taken as it is', () => {
  for (const message of good) assert.deepEqual(agentMessage(message), message)
})

test('a message that lacks any of its fields, or has one of another kind, is none', () => {
  for (const message of good) {
    for (const field of Object.keys(message)) {
      const { [field as 'type']: _, ...without } = message
      assert.equal(agentMessage(without), undefined, `${message.type} without ${field}`)
      assert.equal(
        agentMessage({ ...message, [field]: { other: true } }),
        undefined,
        `${message.type} with odd ${field}`,
      )
    }
  }
  for (const other of [null, 1, 'hello', [], { type: 'other' }, { type: 'gone', ...reason }]) {
    assert.equal(agentMessage(other), undefined)
  }
  for (const port of [0, 65_536, -1]) assert.equal(agentMessage({ ...good[2], port }), undefined)
})
