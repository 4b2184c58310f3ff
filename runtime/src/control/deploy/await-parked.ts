import type { AppEvent } from '../../cluster/subjects.ts'
import { RemoteError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import type { Node } from '../../model/node.ts'
import type { Release } from '../../model/release.ts'
import type { Cloud } from '../cloud.ts'
import type { ControlConfig } from '../config.ts'
import { DeployCancelled, DeployTimedOut } from '../errors.ts'
import type { Tell } from './steps.ts'

type HostStep = keyof ControlConfig['stepLimitsMs']

const following: Partial<Record<AppEvent['kind'], HostStep>> = { template: 'start', start: 'warm', warm: 'parked' }

/** The instance that a node has ready of a release. */
export interface Ready {
  node: Node
  instance: string
}

/**
 * Passes on what the nodes report of the release's first start, and resolves when each of them has parked it or failed;
 * one is enough. Throws the node's own error when all of them failed.
 */
export async function awaitParked(
  cloud: Cloud,
  release: Release,
  nodes: Node[],
  after: number,
  tell: Tell,
  signal: AbortSignal,
): Promise<Ready> {
  const parked: Ready[] = []
  const told = new Set<string>()
  const waiting = new Set<NodeId>(nodes.map(({ id }) => id))
  const timer = stepTimer(release, cloud.config.stepLimitsMs, waiting)
  const ended = AbortSignal.any([signal, timer.signal])
  try {
    for await (const event of cloud.events.of(release.team, release.app, after, ended)) {
      if (event.release !== release.number || !event.node || !waiting.has(event.node)) continue
      const { kind, message, tookMs = 0 } = event
      if (kind === 'failed' || kind === 'crashed') {
        waiting.delete(event.node)
        if (waiting.size === 0 && parked.length === 0) throw nodeError(event)
      } else if (kind !== 'image' && kind !== 'live' && kind !== 'unhealthy' && kind !== 'ended') {
        if (told.has(kind)) tell({ type: 'progress', step: kind, message: `${event.node}: ${message}`, tookMs })
        else tell({ type: 'step', step: kind, message, tookMs })
        told.add(kind)
        timer.await(following[kind] ?? 'parked')
        const node = nodes.find(({ id }) => id === event.node)
        if (kind === 'parked' && node && waiting.delete(node.id)) parked.push({ node, instance: event.instance ?? '' })
      }
      if (waiting.size === 0 && parked[0]) return parked[0]
    }
    if (parked[0] && timer.timedOut()) return parked[0] // the others may come later, or never
    throw timer.timedOut() ?? new DeployCancelled(String(signal.reason ?? 'the control ends'))
  } finally {
    timer.stop()
  }
}

const nodeError = ({ error, message }: AppEvent) =>
  new RemoteError({ code: 'app.failed', message, hint: 'little logs may say more', status: 502, ...error })

/** Aborts its signal when the awaited step does not come in time. */
function stepTimer(release: Release, limitsMs: ControlConfig['stepLimitsMs'], nodes: ReadonlySet<NodeId>) {
  const controller = new AbortController()
  let failure: DeployTimedOut | undefined
  let timer: NodeJS.Timeout | undefined
  const awaitStep = (step: HostStep) => {
    clearTimeout(timer)
    const ownTime = step === 'start' || (step === 'warm' && release.config.healthcheck)
    const limitMs = limitsMs[step] + (ownTime ? release.startDeadlineMs : 0)
    timer = setTimeout(() => {
      failure = new DeployTimedOut(`the step '${step}' on ${[...nodes].join(', ')}`, limitMs)
      controller.abort()
    }, limitMs)
  }
  awaitStep('template')
  return {
    signal: controller.signal,
    await: awaitStep,
    timedOut: () => failure,
    stop: () => clearTimeout(timer),
  }
}
