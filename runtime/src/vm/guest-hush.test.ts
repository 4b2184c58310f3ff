import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { frame, toGuest, toHost } from './guest-frames.ts'
import { scriptedGuest } from './scripted-guest.ts'

test('while a microVM is written out its guest is told nothing; afterwards it hears what was to be said', async (t) => {
  const { channel, ctl } = await scriptedGuest(t)
  const hushed = channel.hush()
  const clock = channel.setClock()
  const heard: Buffer[] = []
  ctl.on('data', (bytes: Buffer) => heard.push(bytes))
  const started = new Promise((resolve) => channel.on('started', resolve))
  ctl.write(frame(toHost.started, Buffer.alloc(4)))
  await started // by then an answer would have come
  assert.deepEqual(heard, [])
  hushed[Symbol.dispose]()
  const [bytes] = (await once(ctl, 'data')) as [Buffer]
  assert.equal(bytes[4], toGuest.clock)
  ctl.write(frame(toHost.clockAck, bytes.subarray(5, 13)))
  await clock
})
