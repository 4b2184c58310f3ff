import { BadReply } from './errors.ts'
import { listedByConnection } from './hop.ts'
import { fieldValue, illegalInHead, isToken, parseLength, without } from './tokens.ts'

/** Generous: some apps answer with large cookies. */
export const maxReplyHeadBytes = 64 * 1024

export interface ReplyHead {
  status: number
  /** -1: no Content-Length. */
  contentLength: number
  chunked: boolean
  /** The app keeps its connection open after this reply. */
  keepAlive: boolean
  /** The head for the client without hop-by-hop fields and without its final CRLF; undefined: it had none of them. */
  rewritten: string | undefined
}

const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9][0-9])(?: |$)/

/** Reads a reply's head, from its first byte to the empty line. Throws BadReply: what an app may not say to a client. */
export function readReplyHead(text: string): ReplyHead {
  if (illegalInHead.test(text)) throw new BadReply('the app answered with a control character in its head')
  const lineEnd = text.indexOf('\r')
  const line = statusLine.exec(text.slice(0, lineEnd))
  if (!line) throw new BadReply('the app did not answer in HTTP/1')
  const http10 = line[1] === '0'
  const status = Number(line[2])

  let contentLength = -1
  let chunked = false
  let connection = ''
  const drop: number[] = []
  const end = text.length - 2
  for (let from = lineEnd + 2; from < end; ) {
    const colon = text.indexOf(':', from)
    const eol = text.indexOf('\r', from)
    if (colon > eol || !isToken(text, from, colon)) throw new BadReply('the app answered with a malformed header line')
    const next = eol + 2
    switch (colon - from) {
      case 10: {
        const name = text.slice(from, colon).toLowerCase()
        if (name === 'connection') connection += `${text.slice(colon + 1, eol)},`
        if (name === 'connection' || name === 'keep-alive') drop.push(from, next)
        break
      }
      case 14:
        if (text.slice(from, colon).toLowerCase() === 'content-length') {
          const length = parseLength(fieldValue(text, colon + 1, eol))
          if (length < 0 || contentLength >= 0)
            throw new BadReply('the app answered with a wrong or second Content-Length')
          contentLength = length
        }
        break
      case 17:
        if (text.slice(from, colon).toLowerCase() === 'transfer-encoding') {
          if (chunked || fieldValue(text, colon + 1, eol).toLowerCase() !== 'chunked')
            throw new BadReply('the app answered with an unknown Transfer-Encoding')
          chunked = true
        }
        break
    }
    from = next
  }
  if (chunked && contentLength >= 0)
    throw new BadReply('the app answered with both a Content-Length and a Transfer-Encoding')

  let keepAlive = !http10
  if (connection !== '') {
    const options = connection.toLowerCase()
    if (options.includes('close')) keepAlive = false
    else if (options.includes('keep-alive')) keepAlive = true
    listedByConnection(text, lineEnd + 2, options, drop)
  }
  const rewritten = drop.length === 0 || status === 101 ? undefined : without(text, drop).slice(0, -2)
  return { status, contentLength, chunked, keepAlive, rewritten }
}
