import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Event, moves, type State } from '../runtime/src/model/instance.ts'

/** Writes docs/instance.md from the table of moves; test/docs.test.ts holds that it is up to date. */
export const instancePagePath = 'docs/instance.md'

const meanings: Record<State, string> = {
  stored: 'a release without an instance: only its image and template, on disk',
  starting: 'restored from the template; the program starts and is warmed up',
  parked: 'a stopped process, warm: some MB of memory, no CPU, no cost',
  running: 'from `cont` to `stop`: this is metered',
  stopping: 'let go; not stopped yet: the guest is asked whether files keep it awake, and its sleep hook runs',
  suspended: 'written to disk, encrypted: no process, no memory, no cost; slower to wake',
  broken: 'being cleaned up; the reason is kept',
}

const eventMeanings: Record<Event, string> = {
  start: 'more instances are wanted',
  ready: 'the program listens, and the warm-up is over',
  wake: 'somebody holds it: a request, a command, a start',
  letGo: 'the last hold is given back or has expired',
  request: 'a request comes while it is being stopped, and wins',
  stopped: 'QEMU has stopped the CPU',
  suspend: 'memory is short, and this one is unlikely to be asked',
  restored: 'a request asks for it, or it is likely to be asked and memory has room again',
  failed: 'its process, program or guest is no more',
  cleanedUp: 'process, device, cgroup and files are gone',
}

export function instancePage(): string {
  const states = Object.entries(meanings).map(([state, meaning]) => `| **${state}** | ${meaning} |`)
  const rows = Object.entries(moves).flatMap(([from, events]) =>
    Object.entries(events).map(([event, to]) => `| ${from} | ${event} | ${to} | ${eventMeanings[event as Event]} |`),
  )
  return [
    '# The life of an instance',
    '',
    'Made from `runtime/src/model/instance.ts` by `scripts/docs-instance.ts`; change it there.',
    '',
    ...['| state | |', '|---|---|', ...states],
    '',
    ...['| from | event | to | when |', '|---|---|---|---|', ...rows],
    '',
  ].join('\n')
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '..', instancePagePath), instancePage())
