import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { z } from 'zod'
import { imageDigest } from '../../core/ids.ts'
import { imagePaths } from '../../image/store.ts'
import type { Cloud } from '../cloud.ts'
import { UnknownImage } from '../errors.ts'
import { node } from './access.ts'
import type { Api } from './route-types.ts'
import { ErrorBody } from './schema.ts'

const schema = {
  summary: 'For nodes: the root file system of an image, as erofs',
  params: z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256:… ') }),
  response: { 200: { content: { 'application/octet-stream': { schema: z.string() } } }, default: ErrorBody },
}

export function imageRoutes(server: Api, cloud: Cloud) {
  server.get('/v1/nodes/images/:digest', { schema }, async (request, reply) => {
    await node(cloud, request)
    const { digest } = request.params
    const path = imagePaths(cloud.config.dataDir, imageDigest(digest)).root
    const found = await stat(path).catch(() => undefined)
    if (!found) throw new UnknownImage(digest)
    reply.type('application/octet-stream').header('content-length', found.size)
    return reply.send(createReadStream(path) as never)
  })
}
