import { appName, edgeId, holdId, instanceId, teamId } from '../core/ids.ts'
import { type Fields, isCount, isList, isObject, isText } from './checks.ts'
import type { Bound, EdgeMessage, HeldByEdge, HoldUsage } from './hold.ts'

/**
 * What an edge may say: the agent's border to it. Checked by hand, because it lies on the path of every wake, and a
 * schema library's first calls after a pause cost a quarter of a millisecond there (docs/decisions/020-the-wake.md).
 */
export function edgeMessage(raw: unknown): EdgeMessage | undefined {
  if (!isObject(raw)) return undefined
  switch (raw.type) {
    case 'acquire':
      return acquire(raw)
    case 'renew':
      return isList(raw.usage, isUsage) ? { type: 'renew', usage: raw.usage } : undefined
    case 'letGo':
      return isText(raw.hold) && isUsage(raw.usage)
        ? { type: 'letGo', hold: holdId(raw.hold), usage: raw.usage }
        : undefined
    case 'shrunk':
      return isText(raw.hold) && isCount(raw.soft) && isCount(raw.hard)
        ? { type: 'shrunk', hold: holdId(raw.hold), soft: raw.soft, hard: raw.hard }
        : undefined
    case 'hello':
      return isText(raw.edge) && isText(raw.epoch) && isList(raw.holds, isHeld)
        ? { type: 'hello', edge: edgeId(raw.edge), epoch: raw.epoch, holds: raw.holds }
        : undefined
    default:
      return undefined
  }
}

function acquire({ id, team, app, release, not, only, deadlineMs }: Fields): EdgeMessage | undefined {
  if (!isCount(id) || !isText(team) || !isText(app) || !isCount(release) || !isCount(deadlineMs)) return undefined
  if (!isList(not, isText) || (only !== undefined && !isBound(only))) return undefined
  const names = { team: teamId(team), app: appName(app), not: not.map(instanceId) }
  return { type: 'acquire', id, release, deadlineMs, ...names, ...(only !== undefined && { only }) }
}

const isBound = (value: unknown): value is Bound =>
  isObject(value) && isText(value.instance) && isCount(value.incarnation)

const isUsage = (value: unknown): value is HoldUsage =>
  isObject(value) &&
  isText(value.hold) &&
  isCount(value.requests) &&
  isCount(value.egressBytes) &&
  isCount(value.inFlight)

const isHeld = (value: unknown): value is HeldByEdge =>
  isObject(value) &&
  isText(value.hold) &&
  isText(value.instance) &&
  isCount(value.incarnation) &&
  isCount(value.soft) &&
  isCount(value.hard)
