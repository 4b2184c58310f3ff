import { LittleError } from '../core/errors.ts'

/** A request that means different things to different readers is refused, never guessed at: RFC 9112. */
export class BadRequest extends LittleError {
  readonly code = 'edge.bad_request'
  readonly status = 400
  readonly hint = 'Send a request as RFC 9112 wants it'
}

export class HeadTooLarge extends LittleError {
  readonly code = 'edge.head_too_large'
  readonly status = 431
  readonly hint = 'Send fewer or shorter headers; cookies are the usual reason'
  constructor(maxBytes: number) {
    super(`the request's head is larger than ${maxBytes} bytes`)
  }
}

export class HeadTooLate extends LittleError {
  readonly code = 'edge.head_too_late'
  readonly status = 408
  readonly hint = 'Send the whole head of the request at once'
  constructor(afterMs: number) {
    super(`the request's head did not arrive within ${afterMs / 1000} s`)
  }
}

export class UnsupportedEncoding extends LittleError {
  readonly code = 'edge.transfer_encoding'
  readonly status = 501
  readonly hint = 'Use Content-Length or Transfer-Encoding: chunked, alone'
  constructor(coding: string) {
    super(`the transfer encoding ${JSON.stringify(coding)} is not supported`)
  }
}

export class UnsupportedMethod extends LittleError {
  readonly code = 'edge.method'
  readonly status = 501
  readonly hint = 'Ask the app itself, not through CONNECT'
  constructor(method: string) {
    super(`the method ${method} is not supported`)
  }
}

export class UnsupportedVersion extends LittleError {
  readonly code = 'edge.version'
  readonly status = 505
  readonly hint = 'Use HTTP/1.1'
  constructor() {
    super('only HTTP/1.0 and HTTP/1.1 are spoken here')
  }
}

export class UnsupportedExpectation extends LittleError {
  readonly code = 'edge.expectation'
  readonly status = 417
  readonly hint = 'The only expectation that can be met is 100-continue'
  constructor(expectation: string) {
    super(`the expectation ${JSON.stringify(expectation)} cannot be met`)
  }
}

export class UnknownHost extends LittleError {
  readonly code = 'edge.unknown_host'
  readonly status = 404
  readonly hint = 'little apps lists the apps and their addresses'
  constructor(host: string) {
    super(`no app answers at ${host}`)
  }
}

export class NotHttp extends LittleError {
  readonly code = 'edge.not_http'
  readonly status = 421
  readonly hint: string
  constructor(app: string, port: number) {
    super(`the app ${app} does not speak HTTP`)
    this.hint = `Connect a client of its own protocol to port ${port}, such as redis-cli or psql`
  }
}

export class AppStopped extends LittleError {
  readonly code = 'edge.app_stopped'
  readonly status = 503
  readonly hint = 'Its owner stopped it with little stop; little start lets it answer again'
  constructor(app: string) {
    super(`the app ${app} is stopped`)
  }
}

export class AppNotReady extends LittleError {
  readonly code = 'edge.app_not_ready'
  readonly status = 503
  readonly hint = 'It is being deployed: ask again in some seconds, or watch little logs -f'
  constructor(app: string) {
    super(`the app ${app} has no release that takes requests yet`)
  }
}

export class RoomFull extends LittleError {
  readonly code = 'edge.waiting_room_full'
  readonly status = 503
  readonly hint =
    'Ask again in a second; its owner can allow more instances with --max or more requests with --concurrency'
  constructor(app: string, waiting: number) {
    super(`${waiting} requests already wait for the app ${app}`)
  }
}

export class WaitedTooLong extends LittleError {
  readonly code = 'edge.waited_too_long'
  readonly status = 503
  readonly hint = 'Ask again in a second; little ps and little logs show what the app does'
  constructor(app: string, waitedMs: number, reason: string) {
    super(`the app ${app} had no room for this request within ${waitedMs / 1000} s: ${reason}`)
  }
}

export class AppUnreachable extends LittleError {
  readonly code = 'edge.app_unreachable'
  readonly status = 502
  readonly hint = 'little logs shows what the app says; little ps whether it runs'
}

export class AppClosed extends LittleError {
  readonly code = 'edge.app_closed'
  readonly status = 502
  readonly hint =
    'little logs shows what the app says; the request may have been carried out, so look before repeating it'
}

export class BadReply extends LittleError {
  readonly code = 'edge.bad_reply'
  readonly status = 502
  readonly hint = 'The app must answer in HTTP/1.1: check that -p names its HTTP port'
}

export class NodeSilent extends LittleError {
  readonly code = 'edge.node_silent'
  readonly status = 504
  readonly hint = 'The request may have been carried out, so look before repeating it; little status shows the nodes'
  constructor(afterMs: number) {
    super(`the machine that the app runs on has been silent for more than ${afterMs / 1000} s`)
  }
}
