import type { AppEvent } from '../../cluster/subjects.ts'
import { RemoteError, raise } from '../../core/errors.ts'
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
  const over = new AbortController()
  let late: DeployTimedOut | undefined
  using limits = new StepLimits(release, cloud.config.stepLimitsMs, (node, error) => {
    late = error
    if (waiting.delete(node) && waiting.size === 0) over.abort()
  })
  for (const node of waiting) limits.await(node, 'template')
  for await (const event of cloud.events.of(release.team, release.app, after, AbortSignal.any([signal, over.signal]))) {
    if (event.release !== release.number || !event.node || !waiting.has(event.node)) continue
    const { kind, message, node: id, tookMs = 0 } = event
    if (kind === 'failed' || kind === 'crashed') {
      waiting.delete(id)
      if (waiting.size === 0 && parked.length === 0) throw nodeError(event)
    } else if (kind === 'template' || kind === 'start' || kind === 'warm' || kind === 'parked') {
      tell({ type: told.has(kind) ? 'progress' : 'step', step: kind, message, tookMs })
      told.add(kind)
      limits.await(id, following[kind] ?? 'parked')
      const node = nodes.find((one) => one.id === id)
      if (kind === 'parked' && node && waiting.delete(id)) parked.push({ node, instance: event.instance ?? '' })
    }
    if (waiting.size === 0) break
  }
  if (signal.aborted) throw new DeployCancelled(String(signal.reason))
  return parked[0] ?? raise(late ?? new DeployCancelled('the control ends'))
}

const nodeError = ({ error, message }: AppEvent) =>
  new RemoteError({ code: 'app.failed', message, hint: 'little logs may say more', status: 502, ...error })

/** Watches how long each node takes for its next step. */
class StepLimits implements Disposable {
  readonly #timers = new Map<NodeId, NodeJS.Timeout>()
  readonly #release: Release
  readonly #limitsMs: ControlConfig['stepLimitsMs']
  readonly #onLate: (node: NodeId, error: DeployTimedOut) => void

  constructor(
    release: Release,
    limitsMs: ControlConfig['stepLimitsMs'],
    onLate: (node: NodeId, error: DeployTimedOut) => void,
  ) {
    this.#release = release
    this.#limitsMs = limitsMs
    this.#onLate = onLate
  }

  await(node: NodeId, step: HostStep): void {
    const { config, startDeadlineMs } = this.#release
    const ownTime = step === 'start' || (step === 'warm' && config.healthcheck)
    const limitMs = this.#limitsMs[step] + (ownTime ? startDeadlineMs : 0)
    clearTimeout(this.#timers.get(node))
    const late = () => this.#onLate(node, new DeployTimedOut(`the step '${step}' on ${node}`, limitMs))
    this.#timers.set(node, setTimeout(late, limitMs))
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }
}
