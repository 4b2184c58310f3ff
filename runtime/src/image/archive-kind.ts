import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { BadReference } from './errors.ts'
import { readTar } from './tar-read.ts'

/** `docker save` or OCI archive, by the files in it; Docker's newer archives are both, and then Docker's, for the healthcheck. */
export function archiveKind(path: string): 'docker-archive' | 'oci-archive' {
  const fd = openSync(path, 'r')
  try {
    const magic = Buffer.alloc(2)
    readSync(fd, magic, 0, 2, 0)
    // skopeo 1.9 fails on these with `unexpected EOF`, which nobody would understand.
    if (magic.readUInt16BE(0) === 0x1f8b) throw new BadReference(`${path} is compressed: unpack it first with gunzip`)
    let isOci = false
    for (const { name } of readTar(fd, fstatSync(fd).size)) {
      const file = name.replace(/^\.\//, '')
      if (file === 'manifest.json') return 'docker-archive'
      if (file === 'oci-layout' || file === 'index.json') isOci = true
    }
    if (isOci) return 'oci-archive'
  } finally {
    closeSync(fd)
  }
  throw new BadReference(`${path} is a tar, but not one of docker save or of an OCI image`)
}
