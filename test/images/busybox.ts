import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeLayout } from './make-layout.ts'
import { makeTar, type TarSpec } from './make-tar.ts'

const run = promisify(execFile)

/** An OCI layout of Debian's static busybox, with these files beside it; starts in a second where Node needs ten. */
export async function busyboxImage(folder: string, config: object, files: TarSpec[] = []): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'busybox-'))
  try {
    await chmod(work, 0o777) // apt downloads as a user of its own
    await run('apt-get', ['download', '-q', 'busybox-static'], { cwd: work })
    const [deb] = (await readdir(work)).filter((name) => name.endsWith('.deb'))
    await run('dpkg-deb', ['-x', join(work, deb!), join(work, 'package')])
    const binary = join(work, 'package/bin/busybox')
    const { stdout } = await run(binary, ['--list'])
    const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')
    const tar = makeTar([
      { name: 'bin/', type: 'folder' },
      { name: 'bin/busybox', content: await readFile(binary), mode: 0o755 },
      ...applets.map((name): TarSpec => ({ name: `bin/${name}`, type: 'symlink', target: 'busybox' })),
      { name: 'tmp/', type: 'folder', mode: 0o777 },
      ...files,
    ])
    return makeLayout(folder, { layers: [tar], config: { Env: ['PATH=/bin'], ...config } })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
