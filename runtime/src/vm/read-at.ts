import type { FileHandle } from 'node:fs/promises'

/** Fills the whole buffer from that position; a file that ends before is an error. */
export async function readAt(file: FileHandle, buffer: Uint8Array, position: number) {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, position + done)
    if (bytesRead === 0) throw new FileTooShort(buffer.length - done)
    done += bytesRead
  }
}

export class FileTooShort extends Error {
  constructor(missing: number) {
    super(`a file ends ${missing} bytes too early`)
  }
}

export async function writeAt(file: FileHandle, buffer: Uint8Array, position: number) {
  for (let done = 0; done < buffer.length; ) {
    const { bytesWritten } = await file.write(buffer, done, buffer.length - done, position + done)
    done += bytesWritten
  }
}
