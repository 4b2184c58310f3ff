import { writeFile } from 'node:fs/promises'
import { openApi, openApiFile } from '../runtime/src/control/openapi.ts'

/** Writes spec/openapi.json from the routes' own schemas; a test fails when it was forgotten. */
await writeFile(openApiFile, await openApi())
