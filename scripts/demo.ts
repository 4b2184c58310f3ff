import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setInterval } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { down } from '../cli/down.ts'
import { supervisor, up } from '../cli/up.ts'
import { dataDir } from '../runtime/src/core/paths.ts'
import { formatMs } from '../runtime/src/core/units.ts'
import { Client, LittleCloudError } from '../sdk/src/index.ts'
import { showSleepAndWake } from './demo/sleep-and-wake.ts'

/**
 * The second half of `npm start`: the cloud up, examples/hello deployed, asleep, awake. Stays in the foreground;
 * `--once` ends after the demo. A cloud that ran before goes on afterwards.
 */
async function demo(once: boolean): Promise<void> {
  const wasUp = supervisor() !== undefined
  const interrupted = interruption()
  if (!wasUp) {
    await up({ detach: true })
    if (process.exitCode) return
  }
  try {
    const shown = await Promise.race([showHello().then(() => true), interrupted])
    if (!shown || once) return
    const little = join(import.meta.dirname, '../bin/little')
    console.log(`\nDeploy your own:  ${little} deploy <image or folder>`)
    if (wasUp) return console.log(`The cloud ran before and goes on:  ${little} down ends it`)
    console.log('Ctrl-C ends the cloud.')
    await Promise.race([interrupted, ended()])
  } finally {
    if (!wasUp) await down()
  }
}

async function showHello(): Promise<void> {
  const { apiUrl = '', edgePort = 0 } = supervisor() ?? {}
  const client = new Client({ url: apiUrl, token: readFileSync(join(dataDir(), 'owner.token'), 'utf8').trim() })
  console.log('\nDeploying examples/hello')
  let url = ''
  for await (const step of client.deploy('hello', { image: join(import.meta.dirname, '../examples/hello') })) {
    if (step.type === 'live') url = step.url
    else if (step.type === 'step')
      console.log(`  ${step.step.padEnd(9)} ${formatMs(step.tookMs).padStart(7)}  ${step.message}`)
  }
  console.log(`\n${url}`)
  console.log(await showSleepAndWake(client, 'hello', edgePort))
  console.log('  It sleeps 1 s after its last request, keeps its memory, and costs nothing meanwhile.')
}

/** Resolves to false at Ctrl-C, or when somebody ends us. */
function interruption(): Promise<false> {
  const signals = ['SIGINT', 'SIGTERM'] as const
  return Promise.race(signals.map((signal) => once(process, signal))).then(() => false)
}

/** Resolves when the cloud is gone without us: by `little down`, or by a crash. */
async function ended(): Promise<void> {
  for await (const _ of setInterval(1_000)) if (!supervisor()) return
}

try {
  const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } })
  await demo(values.once)
} catch (error) {
  process.exitCode = 1
  if (error instanceof LittleCloudError) console.error(`${error.message} (${error.code})\n  → ${error.hint}`)
  else if (error instanceof TypeError && 'code' in error && error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
    console.error(`${error.message.split('. ')[0]}\n  → Known is only: npm start -- --once`)
  else throw error
}
process.exit()
