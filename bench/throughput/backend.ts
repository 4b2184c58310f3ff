import { createServer } from 'node:net'

/** A backend that costs as little as can be: it looks only at the path's first letters, and answers from memory. */
const reply = (head: string, body: string) =>
  Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n${head}\r\n${body}`)
const small = reply('Content-Length: 200\r\n', 'x'.repeat(200))
const large = reply('Content-Length: 16384\r\n', 'x'.repeat(16_384))
const chunk = `400\r\n${'x'.repeat(1024)}\r\n`
const chunked = reply('Transfer-Encoding: chunked\r\n', `${chunk.repeat(4)}0\r\n\r\n`)

const headEnd = '\r\n\r\n'
const server = createServer({ noDelay: true }, (socket) => {
  let partial = ''
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    partial += bytes.toString('latin1')
    for (let end = partial.indexOf(headEnd); end >= 0; end = partial.indexOf(headEnd)) {
      const kind = partial.charAt(partial.indexOf('/') + 1)
      partial = partial.slice(end + 4)
      socket.write(kind === 'l' ? large : kind === 'c' ? chunked : small)
    }
  })
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('ready\n'))
