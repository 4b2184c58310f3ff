import { LittleError } from '../core/errors.ts'
import { formatMs } from '../core/units.ts'

export class NotLoggedIn extends LittleError {
  readonly code = 'auth.no_token'
  readonly status = 401
  readonly hint = 'Log in with: little login   (or set LITTLE_TOKEN)'
  constructor() {
    super('this needs a token, and none was sent')
  }
}

export class WrongToken extends LittleError {
  readonly code = 'auth.wrong_token'
  readonly status = 401
  readonly hint = 'Log in again with: little login   (LITTLE_TOKEN goes before what login stored)'
  constructor() {
    super('this cloud does not know the token')
  }
}

export class NotAllowed extends LittleError {
  readonly code = 'auth.not_allowed'
  readonly status = 403
  readonly hint = 'Use a token of the right kind: little whoami shows which one is in use'
  constructor(role: string, what: string) {
    super(`a token of the role ${role} may not ${what}`)
  }
}

export class InvalidRequest extends LittleError {
  readonly code = 'request.invalid'
  readonly status = 400
  readonly hint = 'spec/openapi.json lists every field with its range'
  constructor(problems: string[]) {
    super(problems.join('; '))
  }
}

export class UnknownRoute extends LittleError {
  readonly code = 'request.unknown_route'
  readonly status = 404
  readonly hint = 'spec/openapi.json lists all routes; a newer client may need a newer cloud'
  constructor(method: string, path: string) {
    super(`there is no ${method} ${path}`)
  }
}

export class InvalidAppName extends LittleError {
  readonly code = 'app.name_invalid'
  readonly status = 400
  readonly hint = 'Choose one with --name: a-z, 0-9 and "-", first a letter, last no "-", at most 63 characters'
  constructor(name: string) {
    super(`"${name}" cannot be the name of an app`)
  }
}

export class NameTaken extends LittleError {
  readonly code = 'app.name_taken'
  readonly status = 409
  readonly hint = 'Choose another name with --name'
  constructor(hostname: string) {
    super(`the address ${hostname} belongs to another team`)
  }
}

export class HostPortTaken extends LittleError {
  readonly code = 'app.port_taken'
  readonly status = 409
  readonly hint: string
  constructor(port: number, by: string) {
    super(`port ${port} of this machine belongs to ${by}`)
    const other = port + 10_000 > 65_535 ? port - 10_000 : port + 10_000
    this.hint = `Choose another port of the machine: -p ${other}:PORT/tcp, where PORT is the app's own`
  }
}

export class UnknownApp extends LittleError {
  readonly code = 'app.unknown'
  readonly status = 404
  readonly hint = 'See which apps there are: little apps'
  constructor(app: string) {
    super(`there is no app ${app}`)
  }
}

export class DeployInProgress extends LittleError {
  readonly code = 'deploy.in_progress'
  readonly status = 409
  readonly hint = 'Wait until it is done, then try again; little releases shows how far it is'
  constructor(app: string) {
    super(`${app} is being changed by another command just now`)
  }
}

export class DeployTimedOut extends LittleError {
  readonly code = 'deploy.timed_out'
  readonly status = 504
  readonly hint = 'See what the machine is doing: little status, little doctor'
  constructor(awaited: string, limitMs: number) {
    super(`${awaited} took longer than ${formatMs(limitMs)}`)
  }
}

export class DeployCancelled extends LittleError {
  readonly code = 'deploy.cancelled'
  readonly status = 409
  readonly hint = 'Nothing was left behind; deploy again whenever you like'
  constructor(why: string) {
    super(`the deploy was cancelled: ${why}`)
  }
}

export class DeployOverruled extends LittleError {
  readonly code = 'deploy.overruled'
  readonly status = 409
  readonly hint = 'See what is there now: little apps'
  constructor(app: string) {
    super(`${app} was changed by somebody else while it was deployed`)
  }
}

export class ControlRestarted extends LittleError {
  readonly code = 'deploy.control_restarted'
  readonly status = 503
  readonly hint = 'Deploy again'
  constructor() {
    super('the control was restarted during the deploy')
  }
}

export class NoNode extends LittleError {
  readonly code = 'placement.no_node'
  readonly status = 503
  readonly hint = 'See whether the host agent runs: little status'
  constructor(waitedMs: number) {
    super(`no node has been heard of within ${formatMs(waitedMs)}`)
  }
}

export class NoCapacity extends LittleError {
  readonly code = 'placement.no_capacity'
  readonly status = 503
  readonly hint = 'Ask for less with -m, or stop something: little ps'
  constructor(neededMib: number, largestFreeMib: number) {
    super(`needs ${neededMib} MiB, the emptiest node has ${largestFreeMib} MiB free`)
  }
}

export class LargerThanAnyNode extends LittleError {
  readonly code = 'placement.larger_than_any_node'
  readonly status = 422
  readonly hint = 'Ask for less with -m'
  constructor(neededMib: number, largestMib: number) {
    super(`needs ${neededMib} MiB, the largest node has ${largestMib} MiB in all`)
  }
}

export class LocalPathFromAfar extends LittleError {
  readonly code = 'image.path_from_afar'
  readonly status = 400
  readonly hint = 'Upload it first (little deploy does): PUT /v1/uploads'
  constructor(reference: string) {
    super(`${reference} is a path, and only clients on the cloud's own machine can name files there`)
  }
}

export class UnknownUpload extends LittleError {
  readonly code = 'upload.unknown'
  readonly status = 404
  readonly hint = 'Uploads are kept for a day: send it again'
  constructor(reference: string) {
    super(`there is no upload ${reference}`)
  }
}

export class UploadBroken extends LittleError {
  readonly code = 'upload.broken'
  readonly status = 400
  readonly hint = 'Send it again; a folder must come as a plain tar'
  constructor(why: string) {
    super(`the upload could not be taken: ${why}`)
  }
}

export class SecretWithoutValue extends LittleError {
  readonly code = 'secret.no_value'
  readonly status = 400
  readonly hint = 'Give a value: set it in the environment, or pipe it in with --secret NAME=-'
  constructor(name: string) {
    super(`the secret ${name} has no value, and no live release has one to keep`)
  }
}

export class UnknownImage extends LittleError {
  readonly code = 'image.not_kept'
  readonly status = 404
  readonly hint = 'Its app was removed meanwhile, or it is kept by another control'
  constructor(digest: string) {
    super(`the image ${digest} is not kept here`)
  }
}

export class AppOnNoNode extends LittleError {
  readonly code = 'exec.no_node'
  readonly status = 409
  readonly hint = 'See its state with: little apps; deploy it again if it is stopped'
  constructor(app: string) {
    super(`no node keeps ${app}`)
  }
}

export class UnknownRelease extends LittleError {
  readonly code = 'release.unknown'
  readonly status = 404
  readonly hint = 'See which there are: little releases'
  constructor(app: string, release: number) {
    super(`there is no release ${release} of ${app}`)
  }
}

export class ReleaseNeverServed extends LittleError {
  readonly code = 'release.never_served'
  readonly status = 409
  readonly hint = 'See which releases served: little releases'
  constructor(app: string, release: number, why: string) {
    super(`release ${release} of ${app} never took requests: ${why}`)
  }
}

export class ReleaseIsLive extends LittleError {
  readonly code = 'release.is_live'
  readonly status = 409
  readonly hint = 'See the others: little releases'
  constructor(app: string, release: number) {
    super(`release ${release} of ${app} is live already`)
  }
}

export class NoEarlierRelease extends LittleError {
  readonly code = 'release.none_before'
  readonly status = 409
  readonly hint = 'See what there is, and name one: little releases, little rollback APP N'
  constructor(app: string, release: number) {
    super(`${app} has no release before ${release} that served`)
  }
}

export class CanaryOn extends LittleError {
  readonly code = 'canary.on'
  readonly status = 409
  readonly hint: string
  constructor(app: string, release: number) {
    super(`release ${release} of ${app} is on trial beside the live one`)
    this.hint = `End that first: little promote ${app}, or little rollback ${app}`
  }
}

export class CanaryAlone extends LittleError {
  readonly code = 'canary.nothing_live'
  readonly status = 409
  readonly hint = 'Deploy it without --canary'
  constructor(app: string) {
    super(`${app} has no live release that could take the rest of the requests`)
  }
}

export class NoCanary extends LittleError {
  readonly code = 'canary.none'
  readonly status = 409
  readonly hint = 'Begin one with: little deploy … --canary 10'
  constructor(app: string) {
    super(`${app} has no canary`)
  }
}
