import { z } from 'zod'
import type { Cluster } from '../cluster/connect.ts'
import { list } from '../cluster/list.ts'
import { announce, listen } from '../cluster/soft.ts'
import { type ExecFrame, type ExecStart, keys, subjects } from '../cluster/subjects.ts'
import { nodeId } from '../core/ids.ts'
import type { Cloud } from './cloud.ts'
import { AppOnNoNode } from './errors.ts'

const size = z.int().min(1).max(10_000)

export const ExecRequest = z.object({
  type: z.literal('start'),
  command: z.array(z.string()).min(1).max(1_000),
  tty: z.boolean().default(false),
  rows: size.optional(),
  columns: size.optional(),
  instance: z.string().optional(),
})

const InFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('stdin'), data: z.base64() }),
  z.object({ type: z.literal('stdinEnd') }),
  z.object({ type: z.literal('resize'), rows: size, columns: size }),
])
const OutFrame: z.ZodType<ExecFrame> = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['stdout', 'stderr']), data: z.string() }),
  z.object({ type: z.literal('exit'), code: z.number() }),
  z.object({
    type: z.literal('error'),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string() }),
  }),
])

export interface ExecLink {
  /** Frames of the wrong shape are dropped. */
  send(frame: unknown): void
  close(): void
}

type Ask = z.infer<typeof ExecRequest> & Pick<ExecStart, 'session' | 'team' | 'app'>

/** Begins a command on a node that keeps the app; `tell` gets its output and, last, how it ended. */
export async function beginExec(
  cloud: Cloud,
  cluster: Cluster,
  ask: Ask,
  tell: (frame: ExecFrame) => void,
): Promise<ExecLink> {
  const { type: _, rows, columns, instance, ...rest } = ask
  const start: ExecStart = {
    ...rest,
    ...(rows && { rows }),
    ...(columns && { columns }),
    ...(instance && { instance }),
  }
  const placements = await list(cloud.state.placements, `*.${keys.app(ask.team, ask.app)}`)
  const node = placements[0]?.key.split('.')[0]
  if (!node) throw new AppOnNoNode(ask.app)
  const stop = listen(cluster, subjects.execOut(ask.session), OutFrame, (frame) => {
    if (frame.type === 'exit' || frame.type === 'error') stop()
    tell(frame)
  })
  try {
    await cluster.now?.flush() // the node must not answer before we listen
    await cloud.hosts.exec(nodeId(node), start)
  } catch (error) {
    stop()
    throw error
  }
  const say = (frame: ExecFrame) => announce(cluster, subjects.execIn(ask.session), frame)
  return {
    send(frame) {
      const known = InFrame.safeParse(frame)
      if (known.success) say(known.data)
    },
    close() {
      stop()
      say({ type: 'close' })
    },
  }
}
