/** As much of RFC 1035 as a forwarder needs: what is asked, and a refusal. */
const headerBytes = 12

const responseCode = { 'server failure': 2, 'no such name': 3 } as const

/** The name that is asked for, in lower case without the last dot; undefined unless it is one plain question. */
export function question(message: Buffer): string | undefined {
  if (message.length < headerBytes + 5) return undefined
  const flags = message.readUInt16BE(2)
  const isPlainQuestion = (flags & 0xf800) === 0 // not a response, opcode 0
  if (!isPlainQuestion || message.readUInt16BE(4) !== 1) return undefined
  const end = endOfName(message)
  return end === undefined ? undefined : nameUpTo(message, end)
}

/** Where the name ends, behind its closing zero; undefined if it is cut off or compressed, which no question is. */
function endOfName(message: Buffer): number | undefined {
  let at = headerBytes
  for (;;) {
    const length = message[at]
    if (length === undefined || length > 63) return undefined
    at += 1 + length
    if (length === 0) return at + 4 <= message.length ? at : undefined
    if (at - headerBytes > 255) return undefined
  }
}

function nameUpTo(message: Buffer, end: number): string {
  const labels: string[] = []
  for (let at = headerBytes; at < end - 1; at += 1 + message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + message[at]!))
  }
  return labels.join('.').toLowerCase()
}

/**
 * Names that only mean something on this host or in its network stay here: its own name and /etc/hosts (single words),
 * localhost, multicast names, and the names of private addresses.
 */
const ownNames = /^[^.]*$|(^|\.)(localhost|local|localdomain|internal|home\.arpa|lan|intranet)$/
const privateReverse =
  /(^|\.)(10|127|168\.192|254\.169|(1[6-9]|2\d|3[01])\.172|(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.100)\.in-addr\.arpa$/
const anyReverse6 = /\.ip6\.arpa$/

export const isForwarded = (name: string) =>
  name === '' || !(ownNames.test(name) || privateReverse.test(name) || anyReverse6.test(name))

/** An answer that holds the question and nothing else. */
export function refusal(message: Buffer, why: keyof typeof responseCode): Buffer {
  const end = endOfName(message) ?? headerBytes
  const answer = Buffer.from(message.subarray(0, Math.min(end + 4, message.length)))
  const recursionDesired = message.readUInt16BE(2) & 0x0100
  answer.writeUInt16BE(0x8080 | recursionDesired | responseCode[why], 2) // response, recursion available
  for (const count of [6, 8, 10]) answer.writeUInt16BE(0, count)
  return answer
}
