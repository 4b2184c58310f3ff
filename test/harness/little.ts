import { spawn } from 'node:child_process'
import { join } from 'node:path'

export interface Ran {
  code: number | null
  out: string
  error: string
}

/** The command line as people have it, bin/little, in a process of its own. */
export function little(args: string[], env: Record<string, string>, stdin = ''): Promise<Ran> {
  const { PATH = '', HOME = '' } = process.env
  const program = join(import.meta.dirname, '../../bin/little')
  const child = spawn(program, args, { env: { PATH, HOME, NO_COLOR: '1', ...env } })
  const ran: Ran = { code: null, out: '', error: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ran.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ran.error += text
  })
  child.stdin.end(stdin)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ ...ran, code }))
  })
}
