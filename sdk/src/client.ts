import { cutOff, LittleCloudError } from './errors.ts'
import { type ExecOptions, type ExecSession, openExec } from './exec.ts'
import { call, callJson, type Target } from './http.ts'
import { readLog } from './log.ts'
import { readNdjson } from './ndjson.ts'
import type {
  AppView,
  CostBy,
  CostRow,
  DeployRequest,
  DeployStep,
  ErrorBody,
  InstanceView,
  LogLine,
  LogQuery,
  ReleaseView,
  Status,
  Top,
  Upload,
  WhoAmI,
} from './types.ts'
import type { UsageLine } from './usage/verify.ts'

export interface ClientOptions {
  /** Of the control, such as `http://localhost:8090`. */
  url: string
  token?: string | undefined
}

interface Waits {
  signal?: AbortSignal | undefined
}

const appPath = (app: string) => `/v1/apps/${encodeURIComponent(app)}`

/**
 * A cloud, as its API shows it. Every method throws a LittleCloudError with a stable `code`;
 * `cloud.unreachable` when nothing answers.
 */
export class Client {
  readonly #target: Target

  constructor({ url, token }: ClientOptions) {
    this.#target = { url, token }
  }

  get url() {
    return this.#target.url
  }

  /** Deploys an app and yields its steps as they happen; the last one is `live`. Ending the loop early cancels it. */
  deploy(app: string, request: DeployRequest, { signal }: Waits = {}): AsyncGenerator<DeployStep> {
    return this.#steps(`${appPath(app)}/deploys`, request, signal)
  }

  /** Lets an earlier release serve again: `release`, or the one before the live one. Ends a canary, if there is one. */
  rollback(app: string, release?: number, { signal }: Waits = {}): AsyncGenerator<DeployStep> {
    return this.#steps(`${appPath(app)}/rollback`, { release }, signal)
  }

  /** Starts a stopped app with the release that it had. */
  start(app: string, { signal }: Waits = {}): AsyncGenerator<DeployStep> {
    return this.#steps(`${appPath(app)}/start`, undefined, signal)
  }

  async *#steps(path: string, json: unknown, signal: AbortSignal | undefined): AsyncGenerator<DeployStep> {
    const response = await call(this.#target, path, { method: 'POST', json, signal })
    for await (const event of readNdjson<DeployStep | ({ type: 'error' } & ErrorBody)>(
      response.body!,
      'the app was live',
    )) {
      if (event.type === 'error') throw new LittleCloudError(event.error)
      yield event
      if (event.type === 'live') return
    }
    throw cutOff('the app was live')
  }

  /** Gives the canary all requests. */
  promote(app: string): Promise<AppView> {
    return callJson(this.#target, `${appPath(app)}/promote`, { method: 'POST' })
  }

  /** Sends an image archive, or a tar of a folder with a Dockerfile; its `reference` is the image of a deploy. */
  upload(kind: 'archive' | 'folder', body: ReadableStream<Uint8Array>, { signal }: Waits = {}): Promise<Upload> {
    const deadlineMs = 3_600_000 // as long as the bytes need to flow
    return callJson(this.#target, '/v1/uploads', { method: 'PUT', query: { kind }, body, signal, deadlineMs })
  }

  apps(): Promise<AppView[]> {
    return callJson(this.#target, '/v1/apps')
  }

  app(name: string): Promise<AppView> {
    return callJson(this.#target, appPath(name))
  }

  releases(app: string): Promise<ReleaseView[]> {
    return callJson(this.#target, `${appPath(app)}/releases`)
  }

  /** The instances of all the team's apps, or of one. */
  ps(app?: string): Promise<InstanceView[]> {
    return callJson(this.#target, '/v1/ps', { query: { app } })
  }

  /** Past lines, then with `follow` those to come until `signal` ends it, also over a restart of the cloud. */
  logs(app: string, { signal, ...query }: LogQuery & Waits = {}): AsyncGenerator<LogLine> {
    return readLog(this.#target, `${appPath(app)}/logs`, query, signal)
  }

  exec(app: string, options: ExecOptions): ExecSession {
    return openExec(this.#target, app, options)
  }

  /** Ends the app's instances; its address answers that it is stopped, until it is started or deployed. */
  async stop(app: string): Promise<AppView> {
    return await callJson(this.#target, `${appPath(app)}/stop`, { method: 'POST', deadlineMs: 60_000 })
  }

  /** Removes the app with all its releases and frees its name. */
  async remove(app: string): Promise<void> {
    await call(this.#target, appPath(app), { method: 'DELETE', deadlineMs: 60_000 })
  }

  /** By whole hours: `from` and `to` are ms since the epoch. */
  cost(
    by: CostBy = 'app',
    query: { app?: string | undefined; from?: number | undefined; to?: number | undefined } = {},
  ): Promise<CostRow[]> {
    return callJson(this.#target, '/v1/cost', { query: { by, ...query } })
  }

  /** The signed usage records, with what verifyUsage needs; `from` and `to` are ms since the epoch, in whole hours. */
  async *usage(
    query: { from?: number | undefined; to?: number | undefined; node?: string | undefined } = {},
  ): AsyncGenerator<UsageLine> {
    const response = await call(this.#target, '/v1/usage', { query })
    for await (const line of readNdjson<UsageLine | ErrorBody>(response.body!, 'the usage was read')) {
      if ('error' in line) throw new LittleCloudError(line.error)
      yield line
    }
  }

  /** The apps with what goes on in them. */
  top(): Promise<Top> {
    return callJson(this.#target, '/v1/top')
  }

  /** All roles' metrics in Prometheus' text format; for the owner's team. */
  async metrics(): Promise<string> {
    return (await call(this.#target, '/metrics')).text()
  }

  status(): Promise<Status> {
    return callJson(this.#target, '/v1/status')
  }

  whoami(): Promise<WhoAmI> {
    return callJson(this.#target, '/v1/whoami')
  }

  /** Asks the cloud who a token belongs to, without using it. */
  login(token: string): Promise<WhoAmI> {
    return callJson(this.#target, '/v1/login', { method: 'POST', json: { token } })
  }
}
