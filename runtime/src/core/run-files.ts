import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { dataDir } from './paths.ts'

/** What `<data>/run/<role>.json` says of one process of a cloud on this machine. */
export const RunFile = z.object({
  role: z.string(),
  pid: z.number().int(),
  /** Field 22 of /proc/PID/stat: tells the process from a later one with the same pid. */
  startTime: z.string(),
  state: z.enum(['starting', 'ready', 'restarting']),
  restarts: z.number().int(),
  /** ms since the epoch */
  since: z.number(),
  /** Its log. */
  log: z.string(),
  /** Of the supervisor: where people and programs reach the cloud. */
  apiUrl: z.string().optional(),
  edgePort: z.number().int().optional(),
})
export type RunFile = z.infer<typeof RunFile>

const runDir = (data: string) => join(data, 'run')

export function writeRunFile(data: string, file: RunFile) {
  mkdirSync(runDir(data), { recursive: true, mode: 0o700 })
  const path = join(runDir(data), `${file.role}.json`)
  writeFileSync(`${path}.new`, JSON.stringify(file), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

export const removeRunFile = (data: string, role: string) => rmSync(join(runDir(data), `${role}.json`), { force: true })

/** The processes that the cloud in this data folder says it has; whether they live is for the reader to see. */
export function readRunFiles(data = dataDir()): RunFile[] {
  let names: string[]
  try {
    names = readdirSync(runDir(data))
  } catch {
    return []
  }
  return names.filter((name) => name.endsWith('.json')).flatMap((name) => readOne(join(runDir(data), name)) ?? [])
}

function readOne(path: string): RunFile | undefined {
  try {
    return RunFile.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined // gone in between, or of another version
  }
}
