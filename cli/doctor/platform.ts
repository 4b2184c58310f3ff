import { readFile } from 'node:fs/promises'
import { type Finding, fail, ok, warn } from './check.ts'

/** Taps, packet rules, namespaces and cgroups are root's. */
export function user(): Finding[] {
  const uid = process.getuid?.()
  if (uid === 0) return [ok('user', 'root')]
  const next = 'Repeat it as root, for instance with sudo: the microVMs themselves run without any privilege'
  return [fail('user', `uid ${uid}; only root can make network devices and packet rules`, next)]
}

export async function system(): Promise<Finding[]> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return [fail('system', `${process.platform} on ${process.arch}`, 'Use Debian 12 on a 64-bit Intel or AMD machine')]
  }
  const release = parseOsRelease(await readFile('/etc/os-release', 'utf8').catch(() => ''))
  const name = release.PRETTY_NAME ?? 'an unknown Linux'
  const family = `${release.ID ?? ''} ${release.ID_LIKE ?? ''}`.split(' ')
  if (!family.includes('debian')) {
    return [fail('system', `${name}; the set-up knows only Debian's packages`, 'Use Debian 12, also in a VM')]
  }
  if (release.ID === 'debian' && release.VERSION_ID === '12') return [ok('system', name)]
  return [warn('system', `${name}; tested is Debian 12`, 'Go on, and report what does not work')]
}

export function nodeVersion(): Finding[] {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= 26) return [ok('node', `${process.version}, ${process.execPath}`)]
  return [
    fail(
      'node',
      `${process.version} cannot run the sources`,
      'Start it through bin/little or npm: they use the pinned Node',
    ),
  ]
}

/** KEY=value lines, the value bare or in quotes. */
export function parseOsRelease(text: string): Record<string, string | undefined> {
  const lines = text.split('\n').flatMap((line) => {
    const match = /^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line)
    return match ? [[match[1], match[2] ?? match[3] ?? match[4]]] : []
  })
  return Object.fromEntries(lines)
}
