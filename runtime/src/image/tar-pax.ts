import { CorruptImage } from './errors.ts'

/** Records of a PAX header: `<length> <key>=<value>\n`. Values are byte strings (latin1) and may hold anything. */
export function parsePax(body: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  let at = 0
  while (at < body.length && body[at] !== 0) {
    const space = body.indexOf(0x20, at)
    const length = space < 0 ? Number.NaN : Number(body.toString('latin1', at, space))
    const end = at + length
    const equals = body.indexOf(0x3d, space)
    if (
      !Number.isInteger(length) ||
      length < 5 ||
      end > body.length ||
      body[end - 1] !== 0x0a ||
      equals < 0 ||
      equals >= end
    ) {
      throw new CorruptImage('a layer is not a valid tar: a PAX record is malformed')
    }
    records.set(body.toString('latin1', space + 1, equals), body.toString('latin1', equals + 1, end - 1))
    at = end
  }
  return records
}

const xattrPrefix = 'SCHILY.xattr.'

/** Extended attributes among the records, name → value; undefined if there are none. */
export function xattrsOf(records: Map<string, string>): Map<string, string> | undefined {
  let xattrs: Map<string, string> | undefined
  for (const [key, value] of records) {
    if (!key.startsWith(xattrPrefix)) continue
    xattrs ??= new Map()
    xattrs.set(key.slice(xattrPrefix.length), value)
  }
  return xattrs
}

/** A PAX time (`1700000000.25`, also negative) as ns since the epoch. */
export function parsePaxTime(text: string): bigint {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text)
  if (!match) throw new CorruptImage(`a layer is not a valid tar: '${text}' is not a time`)
  const fraction = (match[3] ?? '').slice(0, 9).padEnd(9, '0')
  const ns = BigInt(match[2]!) * 1_000_000_000n + BigInt(fraction)
  return match[1] ? -ns : ns
}
