const types = { file: '0', link: '1', symlink: '2', character: '3', block: '4', folder: '5', fifo: '6' }

/** One entry of a tar made by hand. Names are byte strings (latin1). */
export interface TarSpec {
  name: string
  type?: keyof typeof types
  content?: string | Buffer
  target?: string
  mode?: number
  uid?: number
  gid?: number
  /** Seconds, with a fraction if need be. */
  mtime?: string
  device?: [major: number, minor: number]
  xattrs?: Record<string, string>
  /** How long names and links are written: PAX (default) or GNU's own entries. */
  long?: 'pax' | 'gnu'
}

/** A tar as image builders write them: ustar, with PAX or GNU extensions where a value does not fit. */
export function makeTar(specs: TarSpec[]): Buffer {
  return Buffer.concat([...specs.map(entry), Buffer.alloc(1024)])
}

function entry(spec: TarSpec): Buffer {
  const { name, target = '', mtime = '1700000000', long = 'pax', uid = 0, gid = 0 } = spec
  const content = Buffer.from(spec.content ?? '')
  const pax: [string, string][] = Object.entries(spec.xattrs ?? {}).map(([key, value]) => [
    `SCHILY.xattr.${key}`,
    value,
  ])
  const before: Buffer[] = []
  if (name.length > 100) long === 'pax' ? pax.push(['path', name]) : before.push(gnuLong('L', name))
  if (target.length > 100) long === 'pax' ? pax.push(['linkpath', target]) : before.push(gnuLong('K', target))
  if (mtime.includes('.') || mtime.startsWith('-')) pax.push(['mtime', mtime])
  if (pax.length > 0) before.push(paxEntry(pax))
  const header = block(name, types[spec.type ?? 'file'], content.length, {
    mode: spec.mode ?? (spec.type === 'folder' ? 0o755 : 0o644),
    uid,
    gid,
    mtime: Math.max(0, Math.floor(Number(mtime))),
    target,
    device: spec.device ?? [0, 0],
  })
  return Buffer.concat([...before, header, padded(content)])
}

interface Fields {
  mode: number
  uid: number
  gid: number
  mtime: number
  target: string
  device: [number, number]
}

function block(name: string, type: string, size: number, fields: Fields): Buffer {
  const header = Buffer.alloc(512)
  const number = (value: number, at: number, length: number) => {
    const text = value.toString(8)
    if (text.length < length) return header.write(text.padStart(length - 1, '0'), at)
    header.writeUInt8(0x80, at) // base-256
    return header.writeUInt32BE(value, at + length - 4)
  }
  header.write(name.slice(0, 100), 0, 'latin1')
  number(fields.mode, 100, 8)
  number(fields.uid, 108, 8)
  number(fields.gid, 116, 8)
  number(size, 124, 12)
  number(fields.mtime, 136, 12)
  header.write(type, 156)
  header.write(fields.target.slice(0, 100), 157, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  number(fields.device[0], 329, 8)
  number(fields.device[1], 337, 8)
  header.fill(0x20, 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

const nobody: Fields = { mode: 0o644, uid: 0, gid: 0, mtime: 0, target: '', device: [0, 0] }

const gnuLong = (type: string, text: string) =>
  Buffer.concat([block('././@LongLink', type, text.length + 1, nobody), padded(Buffer.from(`${text}\0`, 'latin1'))])

function paxEntry(records: [string, string][]): Buffer {
  const body = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(''), 'latin1')
  return Buffer.concat([block('PaxHeaders/x', 'x', body.length, nobody), padded(body)])
}

/** The length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length
  return length + rest
}

const padded = (content: Buffer) => Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)])
