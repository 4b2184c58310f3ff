// The program of the shut-in child: a PackJob as JSON on stdin, a line of JSON on stdout for each step and for the end.
// It imports nothing but node: and files of this folder and core/, so that nothing else has to be in its root.
import { readFileSync } from 'node:fs'
import { errorFields } from '../core/errors.ts'
import { type PackJob, pack } from './pack.ts'

const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

try {
  const job: PackJob = JSON.parse(readFileSync(0, 'utf8'))
  const bytes = await pack(job, (step) => say({ step }))
  say({ bytes })
} catch (error) {
  say({ error: errorFields(error) })
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
  process.exitCode = 1
}
