import swagger from '@fastify/swagger'
import websocket from '@fastify/websocket'
import { type FastifyBaseLogger, fastify, LogController } from 'fastify'
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'
import type { Cluster } from '../../cluster/connect.ts'
import { roleRegistry } from '../../cluster/metrics.ts'
import type { Cloud } from '../cloud.ts'
import { countRequests } from '../metrics.ts'
import { version } from '../version.ts'
import { aboutRoutes } from './about.ts'
import { appRoutes } from './apps.ts'
import { costRoutes } from './cost.ts'
import { deployRoutes } from './deploys.ts'
import { execProtocol, execRoutes } from './exec.ts'
import { answerFailures } from './failures.ts'
import { imageRoutes } from './images.ts'
import { logRoutes } from './logs.ts'
import { metricsRoutes } from './metrics.ts'
import { statusRoutes } from './status.ts'
import { topRoutes } from './top.ts'
import { uploadRoutes } from './uploads.ts'
import { usageRoutes } from './usage.ts'
import { whoRoutes } from './who.ts'

/** The API of the control, not yet listening. */
export async function buildServer(cloud: Cloud, cluster: Cluster) {
  const server = fastify({
    loggerInstance: cloud.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 4 * 1024 * 1024, // uploads are streams and not counted
    requestTimeout: 0, // an upload takes as long as it takes; clients have deadlines of their own
    forceCloseConnections: true,
  }).withTypeProvider<ZodTypeProvider>()
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  answerFailures(server)
  const registry = roleRegistry(cluster)
  countRequests(server, registry)
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'littlecloud', version, description: 'The API of the control. Errors: docs/errors.md.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  })
  await server.register(websocket, { options: { maxPayload: 1024 * 1024, handleProtocols: execProtocol } })
  aboutRoutes(server)
  appRoutes(server, cloud)
  deployRoutes(server, cloud)
  logRoutes(server, cloud, cluster)
  metricsRoutes(server, cloud, cluster, registry)
  execRoutes(server, cloud, cluster)
  costRoutes(server, cloud, cluster)
  statusRoutes(server, cloud, cluster)
  topRoutes(server, cloud, cluster)
  uploadRoutes(server, cloud)
  usageRoutes(server, cloud, cluster)
  imageRoutes(server, cloud)
  whoRoutes(server, cloud)
  return server
}
