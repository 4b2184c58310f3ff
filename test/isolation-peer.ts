import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

/**
 * A program for one network namespace: collects UDP packets on the given port and sends those it is told to, each from
 * a port of its own. Commands and reports are JSON lines.
 */
export interface PeerCommand {
  send: string
  to: string
  port: number
  /** The source address; default: the kernel's choice. */
  from?: string
  /** Of a socket that is connected: it hears when it is refused. */
  connected?: boolean
}

export type PeerReport = { listening: true } | { received: string; from: string } | { failed: string }

if (import.meta.main) {
  const report = (line: PeerReport) => process.stdout.write(`${JSON.stringify(line)}\n`)
  const collector = createSocket('udp4')
  collector.on('message', (bytes, sender) => {
    const text = bytes.toString()
    report({ received: text, from: sender.address })
    if (text.startsWith('echo ')) collector.send(`re: ${text}`, sender.port, sender.address)
  })
  const [udpPort, ...tcpPorts] = process.argv.slice(2).map(Number)
  for (const port of tcpPorts) createServer((socket) => socket.destroy()).listen(port, '0.0.0.0')
  collector.bind(udpPort ?? 0, () => report({ listening: true }))
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const { send, to, port, from, connected } = JSON.parse(line) as PeerCommand
      const socket = createSocket('udp4')
      socket.on('message', (bytes, sender) => report({ received: bytes.toString(), from: sender.address }))
      socket.once('error', (error) => report({ failed: `${send}: ${error.message}` }))
      const sent = (error: Error | null) => error && report({ failed: `${send}: ${error}` })
      if (connected) socket.connect(port, to, () => socket.send(send, sent))
      else socket.bind(0, from, () => socket.send(send, port, to, sent))
      socket.unref()
    })
    .on('close', () => process.exit())
}
