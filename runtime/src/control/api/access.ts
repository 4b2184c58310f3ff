import type { FastifyRequest } from 'fastify'
import { ownerTeam } from '../../model/team.ts'
import type { Cloud } from '../cloud.ts'
import { NotAllowed, NotLoggedIn } from '../errors.ts'
import { type Token, whoHolds } from '../tokens.ts'

export async function whoAsks(cloud: Cloud, { headers }: FastifyRequest): Promise<Token> {
  const token = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  if (!token) throw new NotLoggedIn()
  return whoHolds(cloud.state, token)
}

/** A person (or their program): may use all of their team's apps. */
export async function person(cloud: Cloud, request: FastifyRequest): Promise<Token> {
  const token = await whoAsks(cloud, request)
  if (token.role !== 'owner') throw new NotAllowed(token.role, 'use the API of people')
  return token
}

/** Of the team that owns the machines: may see what is not of one team. */
export async function operator(cloud: Cloud, request: FastifyRequest): Promise<Token> {
  const token = await person(cloud, request)
  if (token.team !== ownerTeam) throw new NotAllowed(`${token.role} of the team ${token.team}`, 'see the whole cloud')
  return token
}

/** A node's host agent. */
export async function node(cloud: Cloud, request: FastifyRequest): Promise<Token> {
  const token = await whoAsks(cloud, request)
  if (token.role !== 'node') throw new NotAllowed(token.role, 'fetch what only nodes need')
  return token
}

/** True for a client on this machine. Nothing may stand in front of the control that makes others look like one. */
export function isLocal({ socket }: FastifyRequest): boolean {
  const address = socket.remoteAddress ?? ''
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}
