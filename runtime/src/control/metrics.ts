import type { FastifyInstance } from 'fastify'
import { Counter, type Registry } from 'prom-client'
import type { RoleMetrics } from '../cluster/metrics.ts'
import { Latency } from '../core/latency.ts'

/** What the API is asked, and how long its answers take; streams that last (logs, deploys) count when they end. */
export function countRequests(server: FastifyInstance, registry: Registry): void {
  const took = new Latency('little_control_request_seconds', 'From a request to the end of its answer', 'status', [
    '2xx',
    '3xx',
    '4xx',
    '5xx',
  ])
  took.register(registry)
  const routes = new Counter({
    name: 'little_control_requests_total',
    help: 'Requests of the API, by route',
    labelNames: ['route'],
    registers: [registry],
  })
  server.addHook('onResponse', async ({ routeOptions }, reply) => {
    const status = `${Math.floor(reply.statusCode / 100)}xx` as '2xx'
    took.of[status]?.add(reply.elapsedTime)
    routes.inc({ route: routeOptions.url ?? 'unknown' })
  })
}

/** All roles' metrics as one text: each sample tells its role and name, each family is described once. */
export function merged(roles: RoleMetrics[]): string {
  const families = new Map<string, { head: string[]; samples: string[] }>()
  for (const { role, name, text } of roles) {
    let family = { head: [] as string[], samples: [] as string[] }
    for (const line of text.split('\n')) {
      const head = /^# (HELP|TYPE) (\S+) /.exec(line)
      if (head) {
        const known = families.get(head[2]!)
        family = known ?? { head: [], samples: [] }
        if (!known) families.set(head[2]!, family)
        if (family.head.length < 2 && !family.head.includes(line)) family.head.push(line)
      } else if (line !== '') family.samples.push(labelled(line, `role="${role}",name="${name}"`))
    }
  }
  return [...families.values()]
    .flatMap(({ head, samples }) => [...head, ...samples])
    .join('\n')
    .concat('\n')
}

/** A sample is `name value` or `name{labels} value`; a value of a label may hold braces and blanks. */
function labelled(sample: string, labels: string): string {
  const at = sample.search(/[{ ]/)
  const rest = sample.slice(at)
  return rest.startsWith('{')
    ? `${sample.slice(0, at)}{${labels},${rest.slice(1)}`
    : `${sample.slice(0, at)}{${labels}}${rest}`
}
