import { z } from 'zod'
import type { Cluster } from '../cluster/connect.ts'
import { announce, listen } from '../cluster/soft.ts'
import { type ExecFrame, type ExecStart, subjects } from '../cluster/subjects.ts'
import { errorFields } from '../core/errors.ts'
import type { Instance } from './instance.ts'

const InFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('stdin'), data: z.base64() }),
  z.object({ type: z.literal('stdinEnd') }),
  z.object({ type: z.literal('close') }),
  z.object({ type: z.literal('resize'), rows: z.number(), columns: z.number() }),
])

/**
 * Runs a command in the instance and carries its bytes over exec.<session>. The instance stays awake until the command
 * ends or the asker is gone. Resolves once it runs.
 */
export async function runExec(cluster: Cluster, instance: Instance, ask: ExecStart): Promise<void> {
  const keeper = `exec-${ask.session}`
  await instance.keep({ id: keeper })
  const send = (frame: ExecFrame) => announce(cluster, subjects.execOut(ask.session), frame)
  const session = instance.vm.guest.exec({
    args: ask.command,
    ...(ask.tty && { tty: { rows: ask.rows ?? 24, columns: ask.columns ?? 80 } }),
  })
  session.on('output', (stream, bytes) => {
    send({ type: stream, data: bytes.toString('base64') })
    session.consumed(bytes.length)
  })
  const stop = listen(cluster, subjects.execIn(ask.session), InFrame, (frame) => {
    if (frame.type === 'stdin') session.write(Buffer.from(frame.data, 'base64'))
    else if (frame.type === 'stdinEnd') session.end()
    else if (frame.type === 'resize') session.resize(frame.rows, frame.columns)
    else session.kill()
  })
  session.exit
    .then(
      (code) => send({ type: 'exit', code }),
      (error: unknown) => send({ type: 'error', error: errorFields(error) }),
    )
    .finally(() => {
      stop()
      instance.release(keeper)
    })
}
