import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { Command } from 'commander'
import { fail } from './failure.ts'
import { verbs } from './verbs.ts'

enableCompileCache() // where Node may not write one, it goes without

/** `little`: finds the verb, loads its file, runs it. Whatever is thrown becomes three lines and an exit code here. */
async function main(args: string[]): Promise<void> {
  const program = new Command('little')
    .description('A cloud without idle: Docker images in microVMs that sleep for free and wake on a request.')
    .version(version(), '-V, --version', 'print the version')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {}, getOutHasColors: () => false })
    .addHelpText('after', '\nExamples:\n  little up --detach\n  little deploy examples/hello\n  little logs -f hello')
  const called = verbs.find(({ name }) => name === args.find((arg) => !arg.startsWith('-')))
  for (const { name, summary } of verbs) if (name !== called?.name) program.command(name).summary(summary)
  if (called) (await called.load())(program)
  if (args.length === 0) return program.outputHelp()
  await program.parseAsync(args, { from: 'user' })
}

function version(): string {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

const args = process.argv.slice(2)
process.stdout.on('error', () => process.exit(0)) // `little logs | head`: the reader had enough
try {
  await main(args)
} catch (error) {
  fail(error, args)
}
