import type { ErrorFields } from '../core/errors.ts'
import { appName, holdId, instanceId, nodeId, teamId } from '../core/ids.ts'
import { type Fields, isCount, isObject, isText } from './checks.ts'
import type { AgentMessage, Awake, Grant, Waking } from './hold.ts'

/**
 * What an agent may say: the edge's border to it. Checked by hand, as edge-message.ts is: a grant lies on the path of
 * every wake.
 */
export function agentMessage(raw: unknown): AgentMessage | undefined {
  if (!isObject(raw)) return undefined
  switch (raw.type) {
    case 'granted':
      return isGranting(raw) && isWoken(raw) ? (raw as Fields & Grant) : undefined
    case 'waking':
      return isGranting(raw) ? (raw as Fields & Waking) : undefined
    case 'awake':
      return isCount(raw.id) && isWoken(raw) ? (raw as Fields & Awake) : undefined
    case 'renewed':
      return { type: 'renewed' }
    case 'available':
      return isText(raw.team) && isText(raw.app)
        ? { type: 'available', team: teamId(raw.team), app: appName(raw.app) }
        : undefined
    case 'refused':
      return isCount(raw.id) && isReason(raw) ? { type: 'refused', id: raw.id, ...reason(raw) } : undefined
    case 'shrink':
      return isText(raw.hold) && isCount(raw.soft) && isCount(raw.hard)
        ? { type: 'shrink', hold: holdId(raw.hold), soft: raw.soft, hard: raw.hard }
        : undefined
    case 'gone':
      return isText(raw.instance) && isCount(raw.incarnation) && isObject(raw.reason) && isReason(raw.reason)
        ? {
            type: 'gone',
            instance: instanceId(raw.instance),
            incarnation: raw.incarnation,
            reason: reason(raw.reason),
          }
        : undefined
    case 'welcome':
      return isText(raw.node) && isText(raw.epoch)
        ? { type: 'welcome', node: nodeId(raw.node), epoch: raw.epoch }
        : undefined
    default:
      return undefined
  }
}

const tiers: readonly unknown[] = ['running', 'parked', 'suspended', 'started'] satisfies Grant['from'][]

// Taken as they are, without a copy.
const isGranting = (raw: Fields): boolean =>
  isCount(raw.id) &&
  isText(raw.hold) &&
  isText(raw.instance) &&
  isCount(raw.incarnation) &&
  isText(raw.address) &&
  isCount(raw.port) &&
  raw.port >= 1 &&
  raw.port <= 65_535 &&
  isCount(raw.soft) &&
  isCount(raw.hard) &&
  typeof raw.keepConnections === 'boolean'

const isWoken = (raw: Fields): boolean => tiers.includes(raw.from) && isTiming(raw.timing)

const isTiming = (value: unknown): value is Grant['timing'] =>
  isObject(value) &&
  isCount(value.totalMs) &&
  isCount(value.resumeMs) &&
  isCount(value.clockMs) &&
  (value.restoreMs === undefined || isCount(value.restoreMs))

const isReason = (raw: Fields): raw is Fields & ErrorFields =>
  isText(raw.code) && isText(raw.message) && isText(raw.hint)
const reason = ({ code, message, hint }: ErrorFields): ErrorFields => ({ code, message, hint })
