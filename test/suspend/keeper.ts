import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ImageDigest } from '../../runtime/src/core/ids.ts'
import { ImageConfig } from '../../runtime/src/model/release.ts'
import type { RigImage } from '../harness/vm-rig.ts'

const run = promisify(execFile)

/** An image that holds the keeper and nothing else. */
export async function keeperImage(dir: string): Promise<RigImage> {
  const root = join(dir, 'image')
  const rootPath = join(dir, 'root')
  const source = join(import.meta.dirname, 'keeper.c')
  await mkdir(root)
  await run('musl-gcc', ['-static', '-O2', '-Wall', '-Werror', '-o', join(root, 'keeper'), source])
  await run('mkfs.erofs', [rootPath, root])
  const config = ImageConfig.parse({ entrypoint: ['/keeper'], cmd: [], exposedPorts: [8080] })
  return { digest: 'sha256:keeper' as ImageDigest, rootPath, config }
}
