import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** A folder of the test's own, gone when it ends, with what `mounted` did in it. */
export function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'littlecloud-image-'))
  t.after(() => {
    spawnSync('umount', [join(folder, 'mounted')]) // says so itself if nothing was mounted
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/** Mounts an erofs image in a scratch folder, as long as that lives, after fsck.erofs found nothing wrong with it. */
export function mounted(folder: string, image: string): string {
  execFileSync('fsck.erofs', [image])
  const at = join(folder, 'mounted')
  mkdirSync(at)
  execFileSync('mount', ['-t', 'erofs', '-o', 'loop,ro', image, at])
  return at
}
