/** One entry of an initramfs. */
export interface CpioEntry {
  path: string
  /** File type and permissions, e.g. 0o100755. */
  mode: number
  data?: Buffer
}

/**
 * An archive in the "newc" form, the one the kernel unpacks as its initramfs:
 * https://www.kernel.org/doc/html/v6.1/driver-api/early-userspace/buffer-format.html
 * Times and owners are 0, so that equal inputs make equal bytes.
 */
export function cpio(entries: CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => encode(entry, index + 1))
  return Buffer.concat([...parts, ...encode({ path: 'TRAILER!!!', mode: 0 }, 0)])
}

function encode({ path, mode, data = Buffer.alloc(0) }: CpioEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${path}\0`)
  const [uid, gid, links, mtime, device, checksum] = [0, 0, 1, 0, 0, 0]
  const fields = [
    inode,
    mode,
    uid,
    gid,
    links,
    mtime,
    data.length,
    device,
    device,
    device,
    device,
    name.length,
    checksum,
  ]
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`
  return [padded(Buffer.concat([Buffer.from(head), name])), padded(data)]
}

const padded = (part: Buffer) => Buffer.concat([part, Buffer.alloc(-part.length & 3)])
