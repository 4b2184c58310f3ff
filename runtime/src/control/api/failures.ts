import type { FastifyError, FastifyInstance } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { errorFields, LittleError } from '../../core/errors.ts'
import { InvalidRequest, UnknownRoute } from '../errors.ts'

/** The API's door: the only place where an error becomes words. A bug shows the id of its request and nothing else. */
export function answerFailures(server: FastifyInstance) {
  server.setNotFoundHandler(({ method, url }, reply) => {
    const error = errorFields(new UnknownRoute(method, url.split('?')[0] ?? url))
    return reply.code(error.status).send({ error })
  })
  server.setErrorHandler((thrown: FastifyError, request, reply) => {
    const error = foreseen(thrown)
    const fields = errorFields(error)
    if (!(error instanceof LittleError)) {
      request.log.error(thrown, 'a request failed')
      fields.message += ` (request ${request.id})`
    }
    return reply.code(fields.status).send({ error: fields })
  })
}

function foreseen(thrown: FastifyError): Error {
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    return new InvalidRequest(
      thrown.validation.map(({ instancePath, message }) => `${fieldName(instancePath)}${message ?? 'is wrong'}`),
    )
  }
  // What fastify itself refuses of a request: not JSON, too large, an unknown content type.
  const refused = String(thrown.code).startsWith('FST_ERR_CTP') || (thrown.statusCode ?? 500) < 500
  return refused && !(thrown instanceof LittleError) ? new InvalidRequest([thrown.message]) : thrown
}

const fieldName = (path: string) => (path === '' ? '' : `${path.slice(1).replaceAll('/', '.')}: `)
