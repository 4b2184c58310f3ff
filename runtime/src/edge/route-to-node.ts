import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { LittleError } from '../core/errors.ts'

const run = promisify(execFile)

export class NoRouteToNode extends LittleError {
  readonly code = 'edge.no_route_to_node'
  readonly status = 500
  readonly hint = 'The edge needs root to set routes, and the node must be on a network it is attached to'
  constructor(subnet: string, address: string, options: { cause: unknown }) {
    super(`no route to the guests in ${subnet} by way of ${address}`, options)
  }
}

/** Sends traffic for a node's guests to that node, which is on a network of this machine. Harmless to repeat. */
export async function routeToNode(subnet: string, address: string) {
  try {
    await run('ip', ['route', 'replace', subnet, 'via', address], { timeout: 10_000 })
  } catch (cause) {
    throw new NoRouteToNode(subnet, address, { cause })
  }
}
