import { version } from '../version.ts'
import type { Api } from './route-types.ts'

/** For whoever opens the API's address: what this is, and its description. Neither tells anything of the cloud. */
export function aboutRoutes(server: Api) {
  const hidden = { schema: { hide: true } }
  server.get('/', hidden, () => ({ name: 'littlecloud', version, description: '/openapi.json' }))
  server.get('/openapi.json', hidden, () => server.swagger())
}
