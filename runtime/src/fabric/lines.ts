import type { Duplex } from 'node:stream'

/** A message of the holds protocol is far shorter; more is a broken or hostile peer. */
const maxLineBytes = 256 * 1024

/** Calls `onMessage` for each JSON line that arrives; destroys the stream on garbage or an endless line. */
export function readMessages(stream: Duplex, onMessage: (message: unknown) => void) {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const line = rest + text.slice(from, end)
      rest = ''
      from = end + 1
      let message: unknown
      try {
        message = JSON.parse(line)
      } catch {
        stream.destroy()
        return
      }
      onMessage(message)
    }
    rest += text.slice(from)
    if (rest.length > maxLineBytes) stream.destroy()
  })
}

export const writeMessage = (stream: Duplex, message: object) => void stream.write(`${JSON.stringify(message)}\n`)
