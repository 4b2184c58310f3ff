import { z } from 'zod'
import { appName, holdId, instanceId, nodeId, teamId } from '../core/ids.ts'
import type { AgentMessage } from '../fabric/hold.ts'

const errorFields = { code: z.string(), message: z.string(), hint: z.string() }

/** What an agent may say: the edge's border to it. */
const AgentMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('welcome'), node: z.string().transform(nodeId), epoch: z.string() }),
  z.object({ type: z.literal('renewed') }),
  z.object({
    type: z.literal('granted'),
    id: z.number(),
    hold: z.string().transform(holdId),
    instance: z.string().transform(instanceId),
    incarnation: z.number(),
    address: z.string(),
    port: z.number().int().min(1).max(65_535),
    soft: z.number().int().nonnegative(),
    hard: z.number().int().nonnegative(),
    from: z.enum(['running', 'parked', 'suspended', 'started']),
    timing: z.object({ totalMs: z.number(), resumeMs: z.number(), clockMs: z.number() }),
    keepConnections: z.boolean(),
  }),
  z.object({ type: z.literal('refused'), id: z.number(), ...errorFields }),
  z.object({ type: z.literal('available'), team: z.string().transform(teamId), app: z.string().transform(appName) }),
  z.object({
    type: z.literal('shrink'),
    hold: z.string().transform(holdId),
    soft: z.number().int().nonnegative(),
    hard: z.number().int().nonnegative(),
  }),
  z.object({
    type: z.literal('gone'),
    instance: z.string().transform(instanceId),
    incarnation: z.number(),
    reason: z.object(errorFields),
  }),
])

/** One line from an agent; throws if it is not what the protocol knows. */
export const parseAgentMessage = (line: string): AgentMessage => AgentMessageSchema.parse(JSON.parse(line))
