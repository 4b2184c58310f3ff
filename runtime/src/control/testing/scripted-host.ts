import { z } from 'zod'
import { answer } from '../../cluster/ask.ts'
import { Bucket } from '../../cluster/bucket.ts'
import type { Cluster } from '../../cluster/connect.ts'
import { has, Placement } from '../../cluster/placement.ts'
import { announce } from '../../cluster/soft.ts'
import { ensureStorage } from '../../cluster/storage.ts'
import { publish } from '../../cluster/stream.ts'
import { type AppEvent, type ExecStart, type HostInstance, keys, subjects } from '../../cluster/subjects.ts'
import { BucketWatch } from '../../cluster/watch.ts'
import { appName, type NodeId, nodeId, teamId } from '../../core/ids.ts'
import { Node } from '../../model/node.ts'
import { Release } from '../../model/release.ts'

/** What the node answers of a start, chosen by the first word of the release's command: a person can do the same. */
const failures: Record<string, AppEvent['error']> = {
  'exits-with-3': {
    code: 'app.crashed_at_start',
    message: 'the program ended before it took requests (exit code 3)\n  one\n  two',
    hint: 'little logs shows all of them',
  },
  'no-such-command': { code: 'app.command_failed', message: 'command not found: no-such-command', hint: 'Look at CMD' },
  'never-listens': { code: 'app.port_not_open', message: 'it listens on 3000', hint: 'Deploy with -p 3000' },
  'eats-memory': { code: 'app.out_of_memory', message: 'it needed more than its 32 MiB', hint: 'Give it more: -m 64' },
}

export interface ScriptedHost {
  node: NodeId
  /** `app.release` of everything it keeps. */
  kept: Set<string>
  /** Releases whose start it never answers. */
  silent: boolean
  stop(): Promise<void>
}

/** A node that says all that a host agent says, without any machine behind it. */
export async function startScriptedHost(
  cluster: Cluster,
  { freeMib = 4096, foreignOnEmulated = false } = {},
): Promise<ScriptedHost> {
  const node = nodeId('n-test')
  await ensureStorage(cluster)
  await new Bucket(cluster, 'nodes', Node).put(keys.node(node), {
    id: node,
    region: 'here',
    isolation: 'emulated',
    accelerator: 'tcg',
    foreignOnEmulated,
    cpus: 2,
    memoryMib: 8192,
    subnet: '10.0.0.0/24',
    holds: { unix: '/none' },
    publicKey: '',
    epoch: 'e1',
  })
  const instances = new Map<string, HostInstance>()
  const releases = new Bucket(cluster, 'releases', Release)
  const host: ScriptedHost = { node, kept: new Set(), silent: false, stop }
  const placements = new BucketWatch(new Bucket(cluster, 'placements', Placement), {
    onChange: (change) => {
      const [, team = '', app = ''] = change.key.split('.')
      const wanted = (release: number) => change.type === 'put' && has(change.value, release)
      for (const [key, one] of instances) {
        if (one.team !== team || one.app !== app || wanted(one.release)) continue
        instances.delete(key)
        host.kept.delete(key)
      }
      if (change.type === 'put') for (const release of change.value.ready) void start(team, app, release)
    },
  })
  const stops = [
    answer(cluster, subjects.askHost(node, 'instances'), z.unknown(), () => [...instances.values()]),
    answer(cluster, subjects.askHost(node, 'end'), z.object({ team: z.string(), app: z.string() }), ({ team, app }) => {
      for (const key of host.kept) if (key.startsWith(`${team}.${app}.`)) host.kept.delete(key)
      return { ended: true }
    }),
    answer(cluster, subjects.askHost(node, 'exec'), z.unknown(), (ask) => exec(ask as ExecStart)),
  ]
  const memory = { budgetMib: freeMib, usedMib: 0, reservedMib: 0, states: {} }
  const soft = () =>
    announce(cluster, subjects.softNode(node), {
      node,
      epoch: 'e1',
      at: Date.now(),
      load: 0.1,
      freeMib,
      memory,
      apps: [],
    })
  const timer = setInterval(soft, 200)
  await placements.ready()
  await cluster.now?.flush()

  async function start(team: string, app: string, number: number) {
    if (host.silent) return
    const key = `${team}.${app}.${number}`
    const release = (await releases.get(key))?.value
    if (!release || host.kept.has(key)) return
    const event = { at: Date.now(), team: teamId(team), app: appName(app), release: number, node }
    const tell = (kind: AppEvent['kind'], message: string, more: Partial<AppEvent> = {}) =>
      publish(cluster, subjects.events(event.team, event.app), { ...event, kind, message, ...more })
    const id = `i-${number}`
    const error = failures[release.command?.[0] ?? '']
    await tell('template', 'template is there', { tookMs: 1 })
    if (error) return tell('failed', error.message, { error })
    await tell('start', 'the program listens on port 80', { tookMs: 2, instance: id })
    await tell('warm', '1 warm-up request', { tookMs: 3, instance: id })
    host.kept.add(key)
    instances.set(key, {
      ...{ team: event.team, app: event.app, release: number, id, state: 'parked' },
      ...{ incarnation: 1, memoryMib: release.memoryMib, requests: 0, sinceMs: 5 },
    })
    return tell('parked', 'asleep', { tookMs: 4, instance: id })
  }

  /** Says the command, then everything it is told until the end of its input, and exits with 7. */
  function exec({ session, command }: ExecStart) {
    const say = (frame: unknown) => announce(cluster, subjects.execOut(session), frame)
    const subscription = cluster.now!.subscribe(subjects.execIn(session), {
      callback: (_, message) => {
        const frame = message.json<{ type: string; data: string }>()
        if (frame.type === 'stdin') say({ type: 'stdout', data: frame.data })
        if (frame.type !== 'stdinEnd') return
        say({ type: 'exit', code: 7 })
        subscription.unsubscribe()
      },
    })
    say({ type: 'stdout', data: Buffer.from(`${command.join(' ')}\n`).toString('base64') })
    return { ok: true }
  }

  async function stop() {
    clearInterval(timer)
    for (const end of stops) end()
    await placements.stop()
  }
  return host
}
