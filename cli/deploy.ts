import type { Command } from 'commander'
import type { Client, Live } from '../sdk/src/index.ts'
import { imageFor } from './deploy/image.ts'
import { defaultName } from './deploy/name.ts'
import { type DeployFlags, deployRequest } from './deploy/request.ts'
import { collect, concurrency, durationMs, environment, mebibytes, spares, warmUp, wholeNumber } from './flags.ts'
import { paint } from './paint.ts'
import { Progress } from './progress.ts'
import { connect } from './session.ts'
import { duration } from './show.ts'

const examples = `
Examples:
  little deploy nginx:1.27               an image of a registry
  little deploy .                        a folder with a Dockerfile
  little deploy app.tar --name shop      an archive made by docker save
  little deploy oci:/srv/layout:v2       an OCI layout, and which image of it
  little deploy . -p 3000 -m 512 -e MODE=fast --secret DB_PASSWORD
  little deploy python:3.12-slim -p 8000 -- python3 -m http.server 8000`

export function deployCommand(program: Command): void {
  program
    .command('deploy')
    .summary('run an image and give it an address')
    .description('Runs an image, a folder with a Dockerfile, or an image archive, and gives it an address.')
    .argument('<image>', 'a registry reference, a folder, a .tar, or an OCI layout')
    .argument('[command...]', "after --: replaces the image's CMD")
    .option('--name <name>', 'name of the app (default: from the image)')
    .option('-p, --port <port>', 'port that takes requests (default: the exposed one)', wholeNumber(1, 65_535))
    .option('-m, --memory <MiB>', 'memory of each instance', mebibytes(80, 1_048_576), 256)
    .option('--cpus <n>', 'virtual CPUs of each instance', wholeNumber(1, 64), 1)
    .option('--concurrency <soft[:hard]>', 'requests per instance (default: 20:100)', concurrency)
    .option('--idle <time>', 'quiet time before sleep (default: 1s)', durationMs(10, 10_000, 'from 10ms to 10s'))
    .option('-e, --env <K=V>', 'environment; repeatable', environment)
    .option('--secret <NAME>', 'secret environment: from $NAME, NAME=- for stdin, or a prompt; repeatable', collect)
    .option('--max <n>', 'most instances at a time', wholeNumber(1, 1_000), 20)
    .option('--spares <n|auto>', 'instances parked ahead of need', spares, 'auto')
    .option('--warm <path[:times]>', 'request that warms an instance up', warmUp)
    .option('--insecure-registry', 'talk to the registry without TLS')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', examples)
    .action((image: string, command: string[], flags: DeployFlags) => deploy(image, command, flags))
}

async function deploy(reference: string, command: string[], flags: DeployFlags): Promise<void> {
  const client = connect()
  const app = flags.name ?? defaultName(reference)
  const leaving = new AbortController()
  process.once('SIGINT', () => leaving.abort())
  using progress = new Progress({ quiet: flags.json ?? false })
  try {
    const image = await imageFor(client, reference, progress, leaving.signal)
    const request = await deployRequest(image, command, flags)
    const live = await follow(client, app, request, progress, leaving.signal)
    progress[Symbol.dispose]()
    if (flags.json) console.log(JSON.stringify(live, null, 2))
    else tell(live)
  } catch (error) {
    if (!leaving.signal.aborted) throw error
    progress[Symbol.dispose]()
    console.error('Cancelled: the cloud undoes what was done of it.')
    process.exitCode = 130
  }
}

async function follow(
  client: Client,
  app: string,
  request: Parameters<Client['deploy']>[1],
  progress: Progress,
  signal: AbortSignal,
): Promise<Live & { steps: { step: string; tookMs: number }[] }> {
  const steps: { step: string; tookMs: number }[] = []
  progress.now(`plan      ${app}`)
  for await (const event of client.deploy(app, request, { signal })) {
    if (event.type === 'live') return { ...event, steps }
    const { step, message, tookMs } = event
    if (event.type === 'progress') {
      progress.now(`${step.padEnd(9)} ${message}`)
      continue
    }
    steps.push({ step, tookMs })
    progress.done(step, message, tookMs)
    progress.now(`${(next[step] ?? step).padEnd(9)} …`)
  }
  throw new Error('a deploy ends with live, or the client throws')
}

/** What the cloud does after a step, so that a wait always has a name. */
const next: Record<string, string> = {
  image: 'place',
  place: 'template',
  template: 'start',
  start: 'warm',
  warm: 'parked',
  parked: 'live',
}

function tell({ app, release, url, instance, tookMs }: Live): void {
  const out = process.stdout
  console.log(`${paint('bold', 'Live', out)} at ${paint('cyan', url, out)}`)
  const facts = `${app} release ${release}, asleep until the first request; isolation ${instance.isolation}`
  console.log(paint('dim', `${facts}; ${duration(tookMs)}`, out))
}
