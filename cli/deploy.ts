import type { Command } from 'commander'
import type { Live } from '../sdk/src/index.ts'
import { carryOut } from './deploy/follow.ts'
import { imageFor } from './deploy/image.ts'
import { defaultName } from './deploy/name.ts'
import { type DeployFlags, deployRequest } from './deploy/request.ts'
import {
  collect,
  concurrency,
  durationMs,
  egress,
  environment,
  mebibytes,
  networks,
  oneOf,
  port,
  spares,
  warmUp,
  wholeNumber,
} from './flags.ts'
import { paint } from './paint.ts'
import { connect } from './session.ts'
import { duration } from './show.ts'

const examples = `
Examples:
  little deploy nginx:1.27               an image of a registry
  little deploy .                        a folder with a Dockerfile
  little deploy app.tar --name shop      an archive made by docker save
  little deploy oci:/srv/layout:v2       an OCI layout, and which image of it
  little deploy . -p 3000 -m 512 -e MODE=fast --secret DB_PASSWORD
  little deploy . --canary 10            a tenth of the requests, until little promote or little rollback
  little deploy . --egress 203.0.113.0/24,198.51.100.7
  little deploy redis:7 -p 6379/tcp      what is no HTTP, at the same port of this machine
  little deploy redis:7 -p 16379:6379/tcp --name cache
  little deploy python:3.12-slim -p 8000 -- python3 -m http.server 8000`

export function deployCommand(program: Command): void {
  program
    .command('deploy')
    .summary('run an image and give it an address')
    .description('Runs an image, a folder with a Dockerfile, or an image archive, and gives it an address.')
    .argument('<image>', 'a registry reference, a folder, a .tar, or an OCI layout')
    .argument('[command...]', "after --: replaces the image's CMD")
    .option('--name <name>', 'name of the app (default: from the image)')
    .option(
      '-p, --port <[host:]port[/tcp]>',
      'port that takes requests, or connections (default: the exposed one)',
      port,
    )
    .option('-m, --memory <MiB>', 'memory of each instance', mebibytes(80, 1_048_576), 256)
    .option('--cpus <n>', 'virtual CPUs of each instance', wholeNumber(1, 64), 1)
    .option('--concurrency <soft[:hard]>', 'requests per instance (default: 20:100)', concurrency)
    .option('--idle <time>', 'quiet time before sleep (default: 1s)', durationMs(10, 10_000, 'from 10ms to 10s'))
    .option(
      '--max-awake <time>',
      'longest that files in it keep it awake (default: 5m)',
      durationMs(1_000, 86_400_000, 'from 1s to 24h'),
    )
    .option(
      '--max-busy <time>',
      'wait for an answer on a connection (default: 5m for TCP)',
      durationMs(0, 86_400_000, 'from 0s to 24h'),
    )
    .option('-e, --env <K=V>', 'environment; repeatable', environment)
    .option('--secret <NAME>', 'secret environment: from $NAME, NAME=- for stdin, or a prompt; repeatable', collect)
    .option('--max <n>', 'most instances at a time (default: 20, for TCP 1)', wholeNumber(1, 1_000))
    .option('--spares <n|auto>', 'instances parked ahead of need', spares, 'auto')
    .option('--warm <path[:times]>', 'request that warms an instance up', warmUp)
    .option('--canary <percent>', 'give it that share of the requests, the live release the rest', wholeNumber(1, 99))
    .option('--egress <where>', 'where its own connections may go: all, none, or CIDR,… (default: all)', egress)
    .option('--egress-deny <CIDR,…>', 'where they may not', networks)
    .option('--clone <how>', "warm: further instances copy the first one's memory (docs/clones.md)", oneOf('warm'))
    .option('--ephemeral', 'when memory is short, end it; the next request starts it anew')
    .option('--always-parked', 'reserve its memory, so that it always wakes in ms')
    .option('--insecure-registry', 'talk to the registry without TLS')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', examples)
    .action((image: string, command: string[], flags: DeployFlags) => deploy(image, command, flags))
}

async function deploy(reference: string, command: string[], flags: DeployFlags): Promise<void> {
  const client = connect()
  const app = flags.name ?? defaultName(reference)
  const live = await carryOut(app, flags, async (progress, signal) => {
    const image = await imageFor(client, reference, progress, signal)
    return client.deploy(app, await deployRequest(image, command, flags), { signal })
  })
  if (!live) return
  if (flags.json) console.log(JSON.stringify(live, null, 2))
  else tell(live)
}

function tell({ app, release, url, instance, tookMs, canary }: Live): void {
  const out = process.stdout
  if (canary !== undefined) {
    console.log(
      `${paint('bold', `${canary} % of the requests`, out)} at ${paint('cyan', url, out)} go to release ${release}`,
    )
    console.log(paint('dim', `little promote ${app} gives it all of them, little rollback ${app} none`, out))
    return
  }
  console.log(`${paint('bold', 'Live', out)} at ${paint('cyan', url, out)}`)
  const facts = `${app} release ${release}, asleep until the first request; isolation ${instance.isolation}`
  console.log(paint('dim', `${facts}; ${duration(tookMs)}`, out))
}
