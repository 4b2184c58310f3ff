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
/** With a capital, unless it begins with a command. */
const sentence = (text: string) =>
  escapeHtml(text.startsWith('little ') ? text : text.charAt(0).toUpperCase() + text.slice(1))
/** Without what all lines begin with: messages are indented for the terminal. */
function dedent(lines: string[]): string[] {
  const indent = Math.min(...lines.filter((line) => line.trim()).map((line) => line.search(/\S/)))
  return lines.map((line) => line.slice(Number.isFinite(indent) ? indent : 0))
}
/** Commands as such: `little logs -f`. Only for text of our own, never for what an app or a client wrote. */
const withCommands = (html: string) => html.replace(/\blittle [a-z]+(?: -[a-z])?/g, '<code>$&</code>')

/** One card, in the colours of the reader's system. A message's further lines are what the app said last. */
function htmlPage(status: number, code: string, message: string, hint: string): string {
  const [fact = '', ...said] = message.split('\n')
  const reason = escapeHtml(STATUS_CODES[status] ?? 'Error')
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${status} ${reason}</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --ground: #f5f6f8; --card: #fff; --line: #e4e7ec; --mark: #b54708 }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #eceff4; --soft: #97a1b2; --ground: #12161c; --card: #1a2029; --line: #2b333f; --mark: #f7b27a }
  }
  * { box-sizing: border-box }
  body { margin: 0; min-height: 100vh; padding: 1.25rem; display: grid; place-items: center; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
  main { width: 100%; max-width: 36rem; min-width: 0; padding: clamp(1.5rem, 6vw, 2.5rem); background: var(--card); border: 1px solid var(--line); border-radius: 16px }
  .status { margin: 0 0 .75rem; color: var(--mark); font-size: .85rem; font-weight: 600; letter-spacing: .02em }
  h1 { margin: 0 0 .75rem; font-size: 1.35rem; line-height: 1.35; font-weight: 650; overflow-wrap: anywhere; text-wrap: balance }
  p { margin: 0 } code, pre { font: .85em/1.6 ui-monospace, monospace } p code { padding: .1em .35em; background: var(--ground); border-radius: 5px; white-space: nowrap }
  pre { margin: 0 0 1rem; padding: .75rem 1rem; max-height: 16rem; overflow: auto; background: var(--ground); border-radius: 10px; white-space: pre-wrap; overflow-wrap: anywhere }
  footer { margin-top: 1.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .8rem }
</style>
<main>
<p class="status">${status} ${reason}</p>
<h1>${sentence(fact)}</h1>
${said.length > 0 ? `<pre>${escapeHtml(dedent(said).join('\n'))}</pre>\n` : ''}<p>${withCommands(sentence(hint))}</p>
<footer><code>${escapeHtml(code)}</code> · littlecloud</footer>
</main></html>
`
}
