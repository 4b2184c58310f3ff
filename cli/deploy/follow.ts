import type { DeployStep, Live } from '../../sdk/src/index.ts'
import { Progress } from '../progress.ts'

export type Followed = Live & { steps: { step: string; tookMs: number }[] }

/**
 * Runs a change of an app with its steps on stderr; `undefined` if the person broke it off with ^C, which the cloud
 * hears of and undoes, unless it was live already.
 */
export async function carryOut(
  app: string,
  { json = false }: { json?: boolean | undefined },
  change: (progress: Progress, signal: AbortSignal) => Promise<AsyncIterable<DeployStep>>,
): Promise<Followed | undefined> {
  const leaving = new AbortController()
  process.once('SIGINT', () => leaving.abort())
  using progress = new Progress({ quiet: json })
  try {
    return await follow(await change(progress, leaving.signal), app, progress)
  } catch (error) {
    if (!leaving.signal.aborted) throw error
    progress[Symbol.dispose]()
    console.error(`Cancelled: the cloud undoes what was done of it. How it ended: little releases ${app}`)
    process.exitCode = 130
    return undefined
  }
}

/** Shows the steps as they come, up to the one that says it is live. */
async function follow(events: AsyncIterable<DeployStep>, app: string, progress: Progress): Promise<Followed> {
  const steps: { step: string; tookMs: number }[] = []
  progress.now(`plan      ${app}`)
  for await (const event of events) {
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
