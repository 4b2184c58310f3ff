import { LittleCloudError, notLittlecloud, unreachable } from './errors.ts'
import type { ErrorBody } from './types.ts'

export interface Target {
  url: string
  token: string | undefined
}

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  query?: Record<string, string | number | boolean | undefined>
  json?: unknown
  body?: ReadableStream<Uint8Array>
  signal?: AbortSignal | undefined
  /** Until the answer begins. */
  deadlineMs?: number
}

/** One call of the API: the answer if it is a good one, else a LittleCloudError. */
export async function call(target: Target, path: string, options: Call = {}): Promise<Response> {
  const url = new URL(path, target.url)
  for (const [key, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(key, String(value))
  }
  const response = await send(target, url, options)
  if (response.ok) return response
  throw await failure(target, response)
}

export async function callJson<T>(target: Target, path: string, options: Call = {}): Promise<T> {
  const response = await call(target, path, options)
  return (await response.json()) as T
}

async function send(target: Target, url: URL, options: Call): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json, application/x-ndjson' }
  if (target.token) headers.authorization = `Bearer ${target.token}`
  if (options.json !== undefined) headers['content-type'] = 'application/json'
  if (options.body) headers['content-type'] = 'application/octet-stream'
  const begun = new AbortController()
  const deadlineMs = options.deadlineMs ?? 30_000
  const timer = setTimeout(() => begun.abort(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs)
  try {
    return await fetch(url, {
      method: options.method ?? 'GET',
      headers,
      signal: options.signal ? AbortSignal.any([options.signal, begun.signal]) : begun.signal,
      ...(options.json !== undefined && { body: JSON.stringify(options.json) }),
      ...(options.body && { body: options.body, duplex: 'half' as const }),
    })
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw unreachable(target.url, error)
  } finally {
    clearTimeout(timer)
  }
}

async function failure(target: Target, response: Response): Promise<LittleCloudError> {
  try {
    const { error } = (await response.json()) as ErrorBody
    return new LittleCloudError({ ...error, status: response.status })
  } catch {
    return notLittlecloud(target.url, response.status)
  }
}
