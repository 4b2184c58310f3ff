import { STATUS_CODES } from 'node:http'
import { errorFields } from '../core/errors.ts'

/** An error as a whole reply, in the form the client asked for. The connection ends with it. */
export function errorReply(error: unknown, wants: { html: boolean; head: boolean }, extraHeaders = ''): string {
  const { status, code, message, hint } = errorFields(error)
  const body = wants.html
    ? htmlPage(status, code, message, hint)
    : `${JSON.stringify({ error: { code, message, hint } })}\n`
  const type = wants.html ? 'text/html; charset=utf-8' : 'application/json'
  const retry = status === 503 ? 'Retry-After: 1\r\n' : ''
  const head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\nContent-Type: ${type}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nLittle-Error: ${code}\r\n${retry}${extraHeaders}Connection: close\r\n\r\n`
  return wants.head ? head : head + body
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (char) => escapes[char] as string)
const sentence = (text: string) => escapeHtml(text.charAt(0).toUpperCase() + text.slice(1))

function htmlPage(status: number, code: string, message: string, hint: string): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${status} ${escapeHtml(STATUS_CODES[status] ?? 'Error')}</title>
<style>
  :root { color-scheme: light dark; --ink: #1d2430; --soft: #66707f; --ground: #f6f7f9; --card: #fff; --line: #e2e6eb }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8ebf0; --soft: #98a2b1; --ground: #14181f; --card: #1c222b; --line: #2c343f } }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
  main { max-width: 34rem; margin: 1.5rem; padding: 2.25rem 2.5rem; background: var(--card); border: 1px solid var(--line); border-radius: 14px }
  h1 { margin: 0 0 .75rem; font-size: 1.3rem; line-height: 1.35; white-space: pre-line; overflow-wrap: anywhere }
  p { margin: 0 0 1.25rem } small { color: var(--soft) } code { font: .85em ui-monospace, monospace }
</style>
<main>
<h1>${sentence(message)}</h1>
<p>${sentence(hint)}</p>
<small>${status} · <code>${escapeHtml(code)}</code> · littlecloud</small>
</main></html>
`
}
