import { quantile } from '../statistics.ts'
import type { Kill } from './kills.ts'
import type { Asked, Kind } from './traffic.ts'

export interface Outcome {
  requests: number
  /** Of requests to running instances, through edges and to QEMUs that nobody killed: the promise is none. */
  failed_requests: number
  new_wakes: number
  failed_new_wakes: number
  /** From the kill of an agent to the end of the first new wake that was asked for after it. */
  new_wake_recovery_ms: { p50: number; max: number }
  /** Requests that were under way through a killed edge, or came before it was back. */
  failed_by_killed_edges: number
  /** The same of killed QEMUs. */
  failed_by_killed_qemus: number
  /** What clients were told, most frequent first; without those that a killed edge or QEMU explains. */
  failures: { kind: Kind; failure: string; times: number }[]
}

/** Says of each failed request whose fault it was. */
export function outcome(asked: Asked[], kills: Kill[], edgePort: number): Outcome {
  const answered = asked.filter(({ failure }) => !failure)
  /** Nobody was answered between the kill and this request's beginning, who asked in the same way after the kill. */
  const stillDown = ({ at }: Kill, request: Asked, same: (other: Asked) => boolean) =>
    at <= request.endedAt &&
    !answered.some((other) => same(other) && other.beganAt > at && other.endedAt < request.beganAt)
  const byEdge = (request: Asked) =>
    request.port === edgePort &&
    kills.some((kill) => kill.victim === 'edge' && stillDown(kill, request, ({ port }) => port === edgePort))
  const byQemu = (request: Asked) =>
    kills.some((kill) => kill.app === request.app && stillDown(kill, request, ({ app }) => app === request.app))

  const failed = asked.filter(({ failure }) => failure)
  const edges = failed.filter(byEdge)
  const qemus = failed.filter((request) => !byEdge(request) && byQemu(request))
  const rest = failed.filter((request) => !byEdge(request) && !byQemu(request))
  const recoveries = kills.flatMap(({ victim, at }) => {
    if (victim !== 'host') return []
    const ends = answered.filter(({ kind, beganAt }) => kind === 'wakes' && beganAt > at).map(({ endedAt }) => endedAt)
    return ends.length > 0 ? [Math.min(...ends) - at] : []
  })
  const failures = Map.groupBy(rest, ({ kind, failure }) => `${kind} ${failure}`)
  return {
    requests: asked.length,
    failed_requests: rest.filter(({ kind }) => kind === 'running').length,
    new_wakes: asked.filter(({ kind }) => kind === 'wakes').length,
    failed_new_wakes: rest.filter(({ kind }) => kind === 'wakes').length,
    new_wake_recovery_ms: { p50: quantile(recoveries, 0.5), max: Math.max(0, ...recoveries) },
    failed_by_killed_edges: edges.length,
    failed_by_killed_qemus: qemus.length,
    failures: [...failures.values()]
      .map((same) => ({ kind: same[0]!.kind, failure: same[0]!.failure!, times: same.length }))
      .sort((a, b) => b.times - a.times),
  }
}
