import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of its own, of that size, that can be filled to the last block and emptied again. */
export class SmallDisk implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'small-disk-'))
  readonly #image = `${this.dir}.img`
  readonly #ballast = join(this.dir, 'ballast')

  constructor(mib: number) {
    writeFileSync(this.#image, '')
    truncateSync(this.#image, mib * 2 ** 20)
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', this.#image])
    execFileSync('mount', ['-o', 'loop', this.#image, this.dir])
  }

  get freeMib(): number {
    const { bavail, bsize } = statfsSync(this.dir)
    return (bavail * bsize) / 2 ** 20
  }

  /** To the last block: the program ends because nothing more fits. */
  fill(): void {
    spawnSync('dd', ['if=/dev/zero', `of=${this.#ballast}`, 'bs=64k'])
  }

  empty(): void {
    rmSync(this.#ballast, { force: true })
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.dir])
    rmSync(this.dir, { recursive: true })
    rmSync(this.#image)
  }
}
