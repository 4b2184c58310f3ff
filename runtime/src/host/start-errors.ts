import { LittleError } from '../core/errors.ts'

const lastWords = (lines: string[]) => (lines.length > 0 ? `\n${lines.map((line) => `  ${line}`).join('\n')}` : '')

export class CommandFailed extends LittleError {
  readonly code = 'app.command_failed'
  readonly status = 502
  readonly hint = "Look at the image's ENTRYPOINT, CMD and USER, or give another command: little deploy … -- cmd"
  constructor(sentence: string) {
    super(`the program could not be started: ${sentence}`)
  }
}

export class CrashedAtStart extends LittleError {
  readonly code = 'app.crashed_at_start'
  readonly status = 502
  readonly hint = 'The lines above are the last that it wrote; little logs shows all of them'
  constructor(end: string, lines: string[]) {
    super(`the program ended before it took requests (${end})${lastWords(lines)}`)
  }
}

export class OutOfMemory extends LittleError {
  readonly code = 'app.out_of_memory'
  readonly status = 502
  readonly hint: string
  constructor(memoryMib: number) {
    super(`the program needed more than its ${memoryMib} MiB of memory`)
    this.hint = `Give it more: -m ${memoryMib * 2}`
  }
}

export class PortNotOpen extends LittleError {
  readonly code = 'app.port_not_open'
  readonly status = 502
  readonly hint: string
  constructor(
    awaited: number | undefined,
    others: { port: number; loopback: boolean }[],
    afterMs: number,
    lines: string[],
  ) {
    const reachable = others.filter(({ loopback }) => !loopback).map(({ port }) => port)
    const lonely = others.filter(({ loopback }) => loopback).map(({ port }) => port)
    const facts = [
      awaited === undefined ? 'the app opened no port' : `the app did not open port ${awaited}`,
      `within ${Math.round(afterMs / 1000)} s;`,
      reachable.length > 0 ? `it listens on ${reachable.join(', ')}` : '',
      lonely.length > 0 ? `it listens on 127.0.0.1 only: ${lonely.join(', ')}` : '',
      reachable.length + lonely.length === 0 ? 'nothing listens in it' : '',
    ]
    super(`${facts.filter(Boolean).join(' ')}${lastWords(lines)}`)
    if (reachable.length > 0) this.hint = `Deploy with -p ${reachable[0]}`
    else if (lonely.length > 0) this.hint = 'Let it listen on 0.0.0.0 instead of 127.0.0.1'
    else this.hint = 'little logs shows what it does; -p PORT says which port it opens'
  }
}

export class Unhealthy extends LittleError {
  readonly code = 'app.unhealthy'
  readonly status = 502
  readonly hint =
    'little exec APP -- runs the same command by hand; a slow start needs a longer HEALTHCHECK --start-period'
  constructor(checks: number, withinMs: number, why: string) {
    super(`the image's HEALTHCHECK failed ${checks} times within ${Math.round(withinMs / 1000)} s: ${why}`)
  }
}

export class StartCalledOff extends LittleError {
  readonly code = 'app.start_called_off'
  readonly status = 409
  readonly hint = 'Another release was deployed, or the app was stopped or removed, while this one was starting'
  constructor() {
    super('the start was called off')
  }
}

export class AppCrashed extends LittleError {
  readonly code = 'app.crashed'
  readonly status = 502
  readonly hint = 'It is started again at the next request; little logs shows all that it wrote'
  constructor(end: string, lines: string[]) {
    super(`the program ended by itself (${end})${lastWords(lines)}`)
  }
}

export class NoRoomToReserve extends LittleError {
  readonly code = 'host.no_room_to_reserve'
  readonly status = 503
  readonly hint =
    'Ask for less with -m, leave --always-parked out, or give instances more of the machine: little up --memory-budget'
  constructor(neededMib: number, reservedMib: number, budgetMib: number) {
    super(
      `--always-parked needs ${neededMib} MiB that nobody else may have, and of this node's ${budgetMib} MiB for instances ${reservedMib} MiB are reserved already`,
    )
  }
}

export class NoMemoryOnNode extends LittleError {
  readonly code = 'host.no_memory'
  readonly status = 503
  readonly hint = 'Ask for less with -m, stop other apps, or add a node'
  constructor(neededMib: number, freeMib: number) {
    super(`an instance needs ${neededMib} MiB and this node has ${freeMib} MiB free`)
  }
}

export class InstanceEnded extends LittleError {
  readonly code = 'instance.ended'
  readonly status = 503
  readonly hint = 'Connect again: another release has taken over, or the app was stopped'
  constructor(id: string) {
    super(`instance ${id} was ended`)
  }
}
