import koffi from 'koffi'

/** A stretch of a file or of a guest's memory. */
export interface Extent {
  at: number
  bytes: number
}

const libc = koffi.load('libc.so.6')
const lseek = libc.func('int64 lseek(int fd, int64 offset, int whence)')
const SEEK_DATA = 3
const SEEK_HOLE = 4

/** What of a sparse file is more than a hole, in order. Moves the descriptor's offset. */
export function dataExtents(fd: number, size: number): Extent[] {
  const extents: Extent[] = []
  for (let end = 0; end < size; ) {
    const at = Number(lseek(fd, end, SEEK_DATA))
    if (at < 0) break // only a hole is left
    end = Number(lseek(fd, at, SEEK_HOLE))
    extents.push({ at, bytes: end - at })
  }
  return extents
}

/** The stretches one after another, cut into chunks of at most that many bytes. */
export function inChunks<T extends Extent>(extents: T[], chunkBytes: number): T[][] {
  const chunks: T[][] = []
  let room = 0
  for (const extent of extents) {
    for (let done = 0; done < extent.bytes; ) {
      if (room === 0) {
        chunks.push([])
        room = chunkBytes
      }
      const bytes = Math.min(room, extent.bytes - done)
      chunks.at(-1)?.push({ ...extent, at: extent.at + done, bytes })
      room -= bytes
      done += bytes
    }
  }
  return chunks
}
