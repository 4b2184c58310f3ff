import {
  BadRequest,
  UnsupportedEncoding,
  UnsupportedExpectation,
  UnsupportedMethod,
  UnsupportedVersion,
} from './errors.ts'
import { listedByConnection } from './hop.ts'
import { fieldValue, illegalInHead, isToken, parseLength, without } from './tokens.ts'

/** Enough for every browser's cookies; more is an attack or a mistake. Apps usually refuse at 8 or 16 KiB. */
export const maxHeadBytes = 32 * 1024

export interface RequestHead {
  method: string
  /** As the client wrote it, with its port. */
  host: string
  /** The client wants, and can have, further requests on its connection. */
  keepAlive: boolean
  http10: boolean
  /** -1: no Content-Length. */
  contentLength: number
  chunked: boolean
  upgrade: boolean
  /** `Little-Timing: 1`: the reply shall tell how it came about. */
  wantsTiming: boolean
  acceptsHtml: boolean
  /** What the app gets: the client's head, byte for byte, but for hop-by-hop fields and with ours added. */
  forward: string
}

const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/
const absoluteForm = /^https?:\/\/([^/?#@]+)([/?].*)?$/i
const hostForm = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/

/**
 * Reads a request's head, strictly: two servers that read one request differently is how requests are smuggled.
 * `text` is latin1, from the first byte to the empty line with its CRLF. `forwardedFor` are the header lines that name
 * the client, up to and with `X-Forwarded-Host: `. Throws what the client is to be told.
 */
export function readRequestHead(text: string, forwardedFor: string): RequestHead {
  if (illegalInHead.test(text))
    throw new BadRequest('the head has a control character, or a line that ends without CRLF')
  const lineEnd = text.indexOf('\r')
  const line = requestLine.exec(text.slice(0, lineEnd)) ?? refuseRequestLine(text.slice(0, lineEnd))
  const method = line[1] as string
  let target = line[2] as string
  if (line[3] !== '1' || (line[4] !== '0' && line[4] !== '1')) throw new UnsupportedVersion()
  const http10 = line[4] === '0'

  let host: string | undefined
  let contentLength = -1
  let chunked = false
  let connection = ''
  let upgradeFrom = -1
  let upgradeTo = -1
  let wantsTiming = false
  let acceptsHtml = false
  let hostFrom = 0
  let hostTo = 0
  const drop: number[] = []

  const end = text.length - 2
  for (let from = lineEnd + 2; from < end; ) {
    const colon = text.indexOf(':', from)
    const eol = text.indexOf('\r', from)
    // Also refuses a folded line, a line without a colon and a space before the colon: none of them is a token.
    if (colon > eol || !isToken(text, from, colon)) throw new BadRequest('a header line is malformed')
    const next = eol + 2
    switch (colon - from) {
      case 2:
        if (is(text, from, colon, 'te') && fieldValue(text, colon + 1, eol).toLowerCase() !== 'trailers')
          drop.push(from, next)
        break
      case 4:
        if (is(text, from, colon, 'host')) {
          if (host !== undefined) throw new BadRequest('there is more than one Host')
          host = fieldValue(text, colon + 1, eol)
          hostFrom = from
          hostTo = next
        }
        break
      case 6:
        if (is(text, from, colon, 'accept')) acceptsHtml ||= text.slice(colon, eol).includes('text/html')
        else if (is(text, from, colon, 'expect')) checkExpectation(fieldValue(text, colon + 1, eol))
        break
      case 7:
        if (is(text, from, colon, 'upgrade')) {
          if (upgradeFrom >= 0) throw new BadRequest('there is more than one Upgrade')
          upgradeFrom = from
          upgradeTo = next
        }
        break
      case 9:
        if (is(text, from, colon, 'forwarded')) drop.push(from, next)
        break
      case 10:
        if (is(text, from, colon, 'connection')) {
          connection += `${text.slice(colon + 1, eol)},`
          drop.push(from, next)
        } else if (is(text, from, colon, 'keep-alive')) drop.push(from, next)
        break
      case 13:
        if (is(text, from, colon, 'little-timing')) wantsTiming = fieldValue(text, colon + 1, eol) === '1'
        break
      case 14:
        if (is(text, from, colon, 'content-length')) {
          if (contentLength >= 0) throw new BadRequest('there is more than one Content-Length')
          contentLength = parseLength(fieldValue(text, colon + 1, eol))
          if (contentLength < 0) throw new BadRequest('the Content-Length is not a number')
        }
        break
      case 15:
        if (is(text, from, colon, 'x-forwarded-for')) drop.push(from, next)
        break
      case 16:
        if (is(text, from, colon, 'x-forwarded-host') || is(text, from, colon, 'proxy-connection'))
          drop.push(from, next)
        break
      case 17:
        if (is(text, from, colon, 'transfer-encoding')) {
          if (chunked) throw new BadRequest('there is more than one Transfer-Encoding')
          const coding = fieldValue(text, colon + 1, eol)
          if (coding.toLowerCase() !== 'chunked') throw new UnsupportedEncoding(coding)
          chunked = true
        } else if (is(text, from, colon, 'x-forwarded-proto')) drop.push(from, next)
        break
    }
    from = next
  }

  if (chunked && contentLength >= 0) throw new BadRequest('it has both a Content-Length and a Transfer-Encoding')
  if (chunked && http10) throw new BadRequest('HTTP/1.0 has no Transfer-Encoding')
  if (host === undefined || !hostForm.test(host)) throw new BadRequest('the Host is missing or malformed')
  if (method === 'CONNECT') throw new UnsupportedMethod(method)

  let keepAlive = !http10
  let upgrade = false
  if (connection !== '') {
    const options = connection.toLowerCase()
    if (options.includes('close')) keepAlive = false
    else if (http10 && options.includes('keep-alive')) keepAlive = true
    upgrade = upgradeFrom >= 0 && !http10 && /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/.test(options)
    listedByConnection(text, lineEnd + 2, options, drop)
  }
  if (upgradeFrom >= 0 && !upgrade) drop.push(upgradeFrom, upgradeTo)

  let forward = text
  let added = forwardedFor
  if (target.charCodeAt(0) !== 47 /* / */) {
    const absolute = absoluteForm.exec(target)
    if (absolute && hostForm.test(absolute[1] as string)) {
      // The target's authority counts, not the Host: RFC 9112, 3.2.2.
      host = absolute[1] as string
      const path = absolute[2] ?? '/'
      target = path.startsWith('/') ? path : `/${path}`
      drop.push(0, lineEnd, hostFrom, hostTo)
      forward = ''
      added = `Host: ${host}\r\n${forwardedFor}`
    } else if (!(target === '*' && method === 'OPTIONS')) throw new BadRequest('the request target is malformed')
  }
  if (target.includes('#')) throw new BadRequest('the request target has a fragment')
  if (drop.length > 0) {
    const kept = without(text, drop)
    forward = forward === '' ? `${method} ${target} HTTP/1.${http10 ? 0 : 1}${kept}` : kept
  }
  if (upgrade) added = `Connection: Upgrade\r\n${added}`
  else if (http10 && keepAlive) added = `Connection: keep-alive\r\n${added}`
  forward = `${forward.slice(0, -2)}${added}${host}\r\n\r\n`
  return { method, host, keepAlive, http10, contentLength, chunked, upgrade, wantsTiming, acceptsHtml, forward }
}

const is = (text: string, from: number, to: number, name: string) => text.slice(from, to).toLowerCase() === name

function checkExpectation(value: string): void {
  if (value.toLowerCase() !== '100-continue') throw new UnsupportedExpectation(value)
}

function refuseRequestLine(line: string): never {
  if (/^\S+ \S+ HTTP\/[02-9]/.test(line)) throw new UnsupportedVersion()
  throw new BadRequest('the request line is malformed')
}
