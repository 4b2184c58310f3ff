import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { GuestChannel } from './guest.ts'
import { GuestProtocolError, GuestTimeout, GuestUnreachable } from './guest-errors.ts'
import { frame, toHost, u32 } from './guest-frames.ts'
import { scriptedGuest } from './scripted-guest.ts'

const lies = {
  'a length of 4 GiB': u32(0xffffffff),
  'an empty frame': u32(0),
  'an unknown type': frame(0x42, Buffer.from('x')),
  'a type of the other direction': frame(0x01, Buffer.from('user=root\0')),
  'too short a started': frame(toHost.started, Buffer.of(1)),
  'a listeners count beyond its bytes': frame(toHost.listeners, Buffer.of(255, 255, 1)),
  'an exited without a code': frame(toHost.exited),
  'exec output without a session': frame(toHost.execOutput, Buffer.of(1)),
  'a resting without an answer': frame(toHost.resting, Buffer.alloc(8)),
  'an empty stay awake': frame(toHost.stayAwake),
  'a hook without its code': frame(toHost.hookFailed, Buffer.of(1)),
}

for (const [lie, bytes] of Object.entries(lies)) {
  test(`a guest that sends ${lie} loses its channel and nothing else`, async (t) => {
    const { channel, ctl, closed } = await scriptedGuest(t)
    const clock = channel.setClock()
    clock.catch(() => {})
    const { exit } = channel.exec({ args: ['true'] })
    ctl.write(bytes)
    assert.ok((await closed) instanceof GuestProtocolError)
    await assert.rejects(clock, GuestUnreachable)
    await assert.rejects(exit, GuestUnreachable)
    await assert.rejects(channel.setClock(), GuestProtocolError)
  })
}

test('a guest that logs on a stream that does not exist loses its channel', async (t) => {
  const { log, closed } = await scriptedGuest(t)
  log.write(frame(9, Buffer.from('x')))
  assert.ok((await closed) instanceof GuestProtocolError)
})

test('frames about sessions that nobody opened and late acknowledgements are passed over', async (t) => {
  const { channel, ctl } = await scriptedGuest(t)
  const seen = new Promise((resolve) => channel.on('started', resolve))
  ctl.write(frame(toHost.execOutput, u32(99), Buffer.of(1), Buffer.from('x')))
  ctl.write(frame(toHost.execExit, u32(99), u32(0)))
  ctl.write(frame(toHost.execCredit, u32(99), u32(5)))
  ctl.write(frame(toHost.clockAck, u32(99), u32(0)))
  ctl.write(frame(toHost.started, u32(7)))
  assert.equal(await seen, 7)
})

test('a guest that floods its channel is held up, and answers after it', async (t) => {
  const { channel, ctl } = await scriptedGuest(t)
  let heard = 0
  channel.on('hookFailed', () => heard++)
  const flood = Buffer.concat(Array.from({ length: 50_000 }, () => frame(toHost.hookFailed, u32(1), Buffer.from('h'))))
  ctl.write(flood)
  ctl.write(frame(toHost.started, u32(7)))
  const last = new Promise((resolve) => channel.on('started', resolve))
  while (heard === 0) await delay(1)
  // Held up in between: what it had sent at once does not all come in one go.
  assert.ok(heard < 50_000, `${heard} messages at once`)
  assert.equal(await last, 7)
  assert.equal(heard, 50_000)
})

test('a frame that never ends holds what it has come to, and closes with its guest', async (t) => {
  const { channel, ctl, closed } = await scriptedGuest(t)
  ctl.write(Buffer.concat([u32(1024 * 1024), Buffer.alloc(1024 * 1024 - 1)]))
  await assert.rejects(channel.setClock(200), GuestTimeout) // what would follow is in the frame
  ctl.destroy()
  assert.ok((await closed) instanceof GuestUnreachable)
})

test('a guest that does not answer makes every wait end at its deadline', async (t) => {
  const { channel } = await scriptedGuest(t, 50)
  await assert.rejects(channel.waiting(), GuestTimeout)
  await assert.rejects(channel.setClock(), GuestTimeout)
  await assert.rejects(channel.listeners(), GuestTimeout)
})

test('connecting where no guest is fails at the deadline', async () => {
  await assert.rejects(
    GuestChannel.connect({ ctl: '/nowhere/ctl', log: '/nowhere/log' }, { deadlineMs: 30 }),
    GuestUnreachable,
  )
})
