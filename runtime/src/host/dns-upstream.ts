import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { connect, isIP, isIPv6 } from 'node:net'

/** A resolver that questions are passed on to. */
export interface Resolver {
  address: string
  port?: number
}

/** As in resolv.conf(5): each resolver gets this long before the next is asked. */
const patienceMs = 3_000
const mostAnswerBytes = 65_535

/** systemd-resolved's own list comes first: what it names are real resolvers, not a stub that knows the host's names. */
const lists = ['/run/systemd/resolve/resolv.conf', '/etc/resolv.conf']

/** The host's resolvers, as they are now: they change with its network. */
export async function resolvers(): Promise<Resolver[]> {
  for (const path of lists) {
    const lines = await readFile(path, 'utf8').catch(() => '')
    const addresses = [...lines.matchAll(/^\s*nameserver\s+([^\s#;]+)/gm)].map((match) => match[1]!)
    const usable = addresses.filter((address) => isIP(address)).slice(0, 3)
    if (usable.length > 0) return usable.map((address) => ({ address }))
  }
  return []
}

/** Undefined if no resolver answers in time. */
export const askOverUdp = (question: Buffer, from: Resolver[]) => askEach(question, from, askOneOverUdp)
export const askOverTcp = (question: Buffer, from: Resolver[]) => askEach(question, from, askOneOverTcp)

type AskOne = (question: Buffer, resolver: Resolver) => Promise<Buffer | undefined>

async function askEach(question: Buffer, from: Resolver[], askOne: AskOne): Promise<Buffer | undefined> {
  for (const resolver of from) {
    const answer = await askOne(question, resolver)
    if (answer) return answer
  }
  return undefined
}

/** An answer has the question's id; a port of its own for each question makes forging one a matter of 2³² tries. */
const answers = (question: Buffer, answer: Buffer) =>
  answer.length >= 12 && answer.readUInt16BE(0) === question.readUInt16BE(0) && (answer[2]! & 0x80) !== 0

function askOneOverUdp(question: Buffer, { address, port = 53 }: Resolver): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    const end = (answer?: Buffer) => {
      clearTimeout(timer)
      socket.removeAllListeners('message')
      socket.close()
      resolve(answer)
    }
    const timer = setTimeout(end, patienceMs)
    socket.once('error', () => end())
    socket.on('message', (answer) => {
      if (answers(question, answer)) end(answer)
    })
    // connected: the kernel drops packets from anybody else
    socket.connect(port, address, () => socket.send(question))
  })
}

function askOneOverTcp(question: Buffer, { address, port = 53 }: Resolver): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    let received = Buffer.alloc(0)
    const end = (answer?: Buffer) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(end, patienceMs)
    socket.on('error', () => end())
    socket.on('close', () => end())
    socket.on('connect', () => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(question.length)
      socket.write(Buffer.concat([length, question]))
    })
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const length = received.length >= 2 ? received.readUInt16BE(0) : mostAnswerBytes
      if (received.length < 2 + length) return
      const answer = received.subarray(2, 2 + length)
      end(answers(question, answer) ? answer : undefined)
    })
  })
}
