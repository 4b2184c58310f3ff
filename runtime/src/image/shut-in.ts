import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MIB } from '../core/units.ts'
import { type PackLimits, packUid } from './limits.ts'

/**
 * As root in fresh mount, network, pid and ipc namespaces: a root of its own with Node, its libraries, our source
 * (read-only), the blobs (read-only) and one folder to write to; then an ordinary user that can never gain anything.
 * $1 the root's mount point · $2 node · $3 runtime/src · $4 blobs · $5 the folder · $6 user · the rest: prlimit's options,
 * then node's and the program.
 */
const script = `
root=$1 node=$2 source=$3 blobs=$4 folder=$5 user=$6
shift 6
mount -t tmpfs -o size=1m,mode=755,nosuid,nodev tmpfs "$root"
show() { mount --bind "$1" "$root/$2"; mount -o "remount,bind,nosuid,nodev,$3" "$root/$2"; }
for libraries in lib lib64 usr/lib usr/lib64; do
  if [ -d "/$libraries" ]; then mkdir -p "$root/$libraries"; show "/$libraries" "$libraries" ro; fi
done
mkdir "$root/src" "$root/blobs" "$root/pack"
: >"$root/node"
echo '{"type":"module"}' >"$root/package.json"
show "$node" node ro
show "$source" src ro
show "$blobs" blobs ro
show "$folder" pack noexec
cd /
exec nice -n 10 prlimit "$1" "$2" "$3" "$4" setpriv --no-new-privs chroot --userspec="$user:$user" --groups= "$root" \\
  /node "$5" "$6"
`

/** Paths as the child sees them. */
export const inside = { blobs: '/blobs', folder: '/pack' }

/** The command that runs a program shut in; `work` holds `blobs` and `pack`, and gets an empty `root`. */
export async function shutIn(
  work: string,
  limits: PackLimits,
  program = '/src/image/pack-child.ts',
): Promise<{ command: string; args: string[] }> {
  const root = join(work, 'root')
  await mkdir(root, { recursive: true })
  const args = ['--mount', '--net', '--ipc', '--pid', '--fork', '--kill-child=KILL', 'sh', '-euc', script, 'sh']
  args.push(
    root,
    process.execPath,
    dirname(import.meta.dirname),
    join(work, 'blobs'),
    join(work, 'pack'),
    String(packUid),
  )
  args.push(
    // Beside the heap: 512 MiB that V8 reserves for code but hardly uses, buffers, the stacks of Node's threads.
    `--data=${(limits.memoryMib + 1024) * MIB}`,
    `--fsize=${limits.maxBytes * 2}`,
    `--cpu=${Math.ceil(limits.timeMs / 2_000)}`,
    '--core=0',
    `--max-old-space-size=${limits.memoryMib}`,
    program,
  )
  return { command: 'unshare', args }
}
