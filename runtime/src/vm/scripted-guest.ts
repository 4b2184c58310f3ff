import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { GuestChannel } from './guest.ts'
import { frame, toHost } from './guest-frames.ts'

/** For tests of the channel: a scripted guest on real sockets: it echoes hello and then sends what the test tells it to. */
export async function scriptedGuest(t: TestContext, deadlineMs = 5_000) {
  const folder = await mkdtemp(join(tmpdir(), 'guest-hostile-'))
  const paths = { ctl: join(folder, 'ctl'), log: join(folder, 'log') }
  const [ctlServer, logServer] = [createServer().listen(paths.ctl), createServer().listen(paths.log)]
  const accepted = Promise.all([once(ctlServer, 'connection'), once(logServer, 'connection')])
  const channel = await GuestChannel.connect(paths, { deadlineMs })
  const [[ctl], [log]] = (await accepted) as [[Socket], [Socket]]
  const [hello] = await once(ctl, 'data')
  const [nonce] = await once(log, 'data')
  ctl.write(frame(toHost.helloAck, hello.subarray(5)))
  log.write(frame(0, nonce))
  const closed = new Promise<Error>((resolve) => channel.on('closed', resolve))
  t.after(async () => {
    channel.close()
    for (const socket of [ctl, log]) socket.destroy()
    ctlServer.close()
    logServer.close()
    await rm(folder, { recursive: true })
  })
  return { channel, ctl, log, closed }
}
