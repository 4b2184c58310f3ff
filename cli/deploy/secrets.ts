import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { UsageError } from '../failure.ts'

/**
 * Values for `--secret NAME`: from the environment, from stdin (`NAME=-`), or typed unseen; null leaves what the live
 * release has. Never from the command line itself, which every user of the machine can read.
 */
export async function readSecrets(flags: string[]): Promise<Record<string, string | null>> {
  const values: Record<string, string | null> = {}
  for (const flag of flags) {
    const [name = '', source] = flag.split(/=(.*)/s)
    if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)) {
      throw new UsageError(`"${name}" cannot be the name of a secret`, 'Names are like those of variables: DB_PASSWORD')
    }
    if (source !== undefined && source !== '-') {
      const hint = `Set it in the environment and give --secret ${name}, or pipe it in with --secret ${name}=-`
      throw new UsageError(`the value of the secret ${name} is on the command line, where others can see it`, hint)
    }
    values[name] = source === '-' ? await fromStdin(name, values) : (process.env[name] ?? (await typed(name)))
  }
  return values
}

async function fromStdin(name: string, before: Record<string, string | null>): Promise<string> {
  if (process.stdin.readableEnded) {
    throw new UsageError(`stdin was read already for ${Object.keys(before).at(-1)}`, `Give ${name} by the environment`)
  }
  return (await text(process.stdin)).replace(/\n$/, '')
}

async function typed(name: string): Promise<string | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null
  return askUnseen(`Value of the secret ${name} (empty keeps the present one): `).then((value) => value || null)
}

/** Reads a line of the terminal without showing it. */
export async function askUnseen(question: string): Promise<string> {
  process.stderr.write(question)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
