import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import type { Cloud } from '../cloud.ts'
import { takeUpload } from '../uploads.ts'
import { person } from './access.ts'
import type { Api } from './route-types.ts'
import { ErrorBody, Upload } from './schema.ts'

const schema = {
  summary: 'Takes an image archive, or a tar of a folder with a Dockerfile; good for the deploys of a day',
  querystring: z.object({ kind: z.enum(['archive', 'folder']).default('archive') }),
  response: { 200: Upload, default: ErrorBody },
}

export function uploadRoutes(server: Api, cloud: Cloud) {
  // Handed on as the stream it is: no limit of size, nothing in memory.
  server.addContentTypeParser('application/octet-stream', async (_request: unknown, body: IncomingMessage) => body)
  server.put('/v1/uploads', { schema }, async (request) => {
    const { team } = await person(cloud, request)
    return takeUpload(cloud.config.dataDir, team, request.query.kind, request.raw)
  })
}
