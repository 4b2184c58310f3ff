import { readFileSync } from 'node:fs'

/** Of this littlecloud: what package.json at the root says. */
export const version = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
