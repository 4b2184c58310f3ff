import { pino } from 'pino'
import type { Cluster } from '../cluster/connect.ts'
import { buildServer } from './api/server.ts'
import type { Cloud } from './cloud.ts'

export const openApiFile = new URL('../../../spec/openapi.json', import.meta.url)

/** The text of spec/openapi.json: what the routes say of themselves. No cloud is needed for it, and none is touched. */
export async function openApi(): Promise<string> {
  const nothing = { log: pino({ level: 'silent' }) } as unknown as Cloud
  const server = await buildServer(nothing, {} as Cluster)
  await server.ready()
  const text = JSON.stringify(server.swagger(), null, 2)
  await server.close()
  return `${text}\n`
}
