import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { Client } from '../sdk/src/index.ts'
import { askUnseen } from './deploy/secrets.ts'
import { UsageError } from './failure.ts'
import { connect, loginFile } from './session.ts'

export function loginCommand(program: Command): void {
  program
    .command('login')
    .summary('keep the address and token of a cloud')
    .description(
      'Checks a token and keeps it with the address of its cloud. Not needed on the machine of the cloud itself.',
    )
    .option('--url <url>', 'the address of the cloud (default: the one in use)')
    .option('--json', 'print who you are as JSON')
    .addHelpText('after', '\nExamples:\n  little login --url https://cloud.example.org\n  little login < token.txt')
    .action((flags: { url?: string; json?: boolean }) => login(flags))
}

/** The token is typed unseen or read from stdin, never taken from the command line. */
async function login({ url, json }: { url?: string; json?: boolean }): Promise<void> {
  const target = url ?? connect().url
  if (!URL.canParse(target))
    throw new UsageError(`"${target}" is not an address`, 'Give one such as https://cloud.example.org')
  const token = process.stdin.isTTY ? await askUnseen(`Token for ${target}: `) : await text(process.stdin)
  if (token.trim() === '')
    throw new UsageError('no token was given', "The owner's lies in owner.token in the data folder of the cloud")
  const who = await new Client({ url: target }).login(token.trim())
  const file = loginFile()
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeFile(`${file}.new`, JSON.stringify({ url: target, token: token.trim() }), { mode: 0o600 })
  await rename(`${file}.new`, file)
  console.log(
    json ? JSON.stringify({ url: target, ...who }) : `You are ${who.name} of the team ${who.team} at ${target}`,
  )
}
