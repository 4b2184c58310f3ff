import { runTool } from '../../runtime/src/image/run-tool.ts'

const leftOut = ['/usr/share/man/*', '/usr/share/locale/*', '/usr/share/doc/*', '/usr/share/info/*']

/** The files of debian:bookworm-slim as a tar, from the machine's Debian mirror; about a minute. */
export async function makeDebianRootfs(path: string, onLine?: (line: string) => void): Promise<void> {
  const args = ['--mode=root', '--variant=minbase', '--components=main']
  for (const pattern of leftOut) args.push(`--dpkgopt=path-exclude=${pattern}`)
  args.push('--dpkgopt=path-include=/usr/share/doc/*/copyright', 'bookworm', path)
  const { code, tail } = await runTool('mmdebstrap', args, { onLine })
  if (code !== 0) throw new Error(`mmdebstrap failed:\n${tail}`)
}
