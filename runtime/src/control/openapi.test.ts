import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { openApi, openApiFile } from './openapi.ts'

test('spec/openapi.json is what the routes say (else: node scripts/openapi.ts)', async () => {
  assert.equal(await readFile(openApiFile, 'utf8'), await openApi())
})

test('every route of the spec has a summary and says how it fails', async () => {
  const { openapi, paths } = JSON.parse(await openApi())
  assert.equal(openapi, '3.1.0')
  const routes = Object.entries<Record<string, { summary?: string; responses: object }>>(paths).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, route]) => ({ name: `${method} ${path}`, ...route })),
  )
  assert.ok(routes.length >= 14)
  assert.deepEqual(
    routes.filter(({ summary, responses }) => !summary || !('default' in responses)).map(({ name }) => name),
    ['get /v1/apps/{app}/exec'].filter(
      (name) => !routes.some((route) => route.name === name && 'default' in route.responses),
    ),
  )
})
