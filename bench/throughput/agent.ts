import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { EdgeMessage } from '../../runtime/src/fabric/hold.ts'

/** Speaks the host agent's side of the holds protocol and grants the backend as the one instance there is. */
const [path, port] = [process.argv[2] as string, Number(process.argv[3])]
rmSync(path, { force: true })
let holds = 0
createServer((socket) => {
  let partial = ''
  const say = (message: object) => socket.write(`${JSON.stringify(message)}\n`)
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    const lines = (partial + bytes).split('\n')
    partial = lines.pop() as string
    for (const line of lines) {
      const asked = JSON.parse(line) as EdgeMessage
      if (asked.type === 'hello') say({ type: 'welcome', node: 'n-bench', epoch: '1' })
      if (asked.type !== 'acquire') continue
      if (asked.not.length > 0) {
        say({ type: 'refused', id: asked.id, code: 'hold.at_limit', message: 'there is one instance', hint: 'none' })
        continue
      }
      const [hold, instance] = [`h-${++holds}`, 'i-bench']
      const where = { hold, instance, incarnation: 1, address: '127.0.0.1', port, soft: 100, hard: 200 }
      const timing = { totalMs: 0, resumeMs: 0, clockMs: 0 }
      say({ type: 'granted', id: asked.id, ...where, from: 'parked', timing, keepConnections: true })
    }
  })
}).listen(path, () => process.stdout.write('ready\n'))
