import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LittleError } from '../../runtime/src/core/errors.ts'

const run = promisify(execFile)

export class NoGuestKernel extends LittleError {
  readonly code = 'setup.no_guest_kernel'
  readonly status = 500
  readonly hint = 'Check that `apt-get update` works and that the Debian archive is in /etc/apt/sources.list'
  constructor(reason: string, options?: { cause?: unknown }) {
    super(`no kernel for the guests: ${reason}`, options)
  }
}

/** The package of the newest cloud kernel in this machine's own suite, e.g. `linux-image-6.1.0-56-cloud-amd64`. */
export async function newestKernelPackage(): Promise<string> {
  const known = await cloudKernel()
  if (known !== undefined) return known
  await update()
  return (await cloudKernel()) ?? fail()
}

const fail = () => {
  throw new NoGuestKernel('apt knows no package linux-image-cloud-amd64')
}

const update = () => run('apt-get', ['update', '-q'])

async function cloudKernel(): Promise<string | undefined> {
  const { stdout } = await run('apt-cache', ['show', '--no-all-versions', 'linux-image-cloud-amd64']).catch(() => ({
    stdout: '',
  }))
  return /^Depends:.*?\b(linux-image-\S+-cloud-amd64)/m.exec(stdout)?.[1]
}

/** Downloads the package and unpacks it into `folder`; nothing is installed. Gives the kernel's release, e.g. `6.1.0-56-cloud-amd64`. */
export async function unpackKernel(name: string, folder: string): Promise<string> {
  const download = await mkdtemp(join(tmpdir(), 'littlecloud-kernel-'))
  try {
    await chmod(download, 0o777) // apt downloads as its own user where it can
    // A list older than the archive names files that are gone: ask once more after an update.
    await fetchPackage(name, download).catch(async () => {
      await update()
      await fetchPackage(name, download)
    })
    const [deb] = await readdir(download)
    if (deb === undefined) throw new NoGuestKernel(`apt-get download ${name} left no file`)
    await mkdir(folder, { recursive: true })
    await run('dpkg-deb', ['-x', join(download, deb), folder])
  } catch (error) {
    throw error instanceof NoGuestKernel ? error : new NoGuestKernel(`${name} could not be fetched`, { cause: error })
  } finally {
    await rm(download, { recursive: true, force: true })
  }
  const [release] = await readdir(join(folder, 'lib/modules'))
  return release ?? fail()
}

const fetchPackage = (name: string, cwd: string) => run('apt-get', ['download', '-q', name], { cwd })
