import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'

/** A guest that works says it within 0.6 s; some machines have a /dev/kvm in which guests hang for ever. */
export const probeLimitMs = 2_000

export interface KvmProbe {
  usable: boolean
  /** The fact behind it, for people. */
  reason: string
}

/**
 * Boots the guest kernel under KVM until it starts its init, and kills it. Less is no proof: on a machine with
 * crippled nested virtualisation, real-mode code runs and a kernel hangs.
 */
export async function probeKvm(kernel: string, initrd: string): Promise<KvmProbe> {
  const refused = await access('/dev/kvm', constants.R_OK | constants.W_OK).catch(
    (error: NodeJS.ErrnoException) => error,
  )
  if (refused)
    return { usable: false, reason: refused.code === 'ENOENT' ? 'no /dev/kvm' : '/dev/kvm is not open to us' }

  const machine = [
    '-M',
    'microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on',
    '-accel',
    'kvm',
    '-cpu',
    'host',
  ]
  const bare = ['-nodefaults', '-no-user-config', '-nographic', '-no-reboot', '-m', '128M', '-smp', '1']
  const boot = ['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 reboot=t panic=-1', '-serial', 'stdio']
  const qemu = spawn('qemu-system-x86_64', [...machine, ...bare, ...boot], { stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = new Promise<void>((resolve) => qemu.once('close', () => resolve()))

  let complaint = ''
  qemu.stderr.on('data', (bytes: Buffer) => {
    complaint = (complaint + bytes).slice(0, 400)
  })
  const result = await new Promise<KvmProbe>((resolve) => {
    const limit = setTimeout(
      () => resolve({ usable: false, reason: `a guest hangs in it (${probeLimitMs} ms)` }),
      probeLimitMs,
    )
    const end = (usable: boolean, reason: string) => {
      clearTimeout(limit)
      resolve({ usable, reason })
    }
    let console = ''
    qemu.stdout.on('data', (bytes: Buffer) => {
      console += bytes // ends after 2 s or at init, some 20 KiB
      if (console.includes('Run /init as init process')) end(true, 'a guest kernel boots in it')
    })
    qemu.once('error', (error) => end(false, `QEMU does not start: ${error.message}`))
    qemu.once('close', () =>
      end(false, `a guest ends in it: ${complaint.trim().split('\n').at(-1) || 'no reason given'}`),
    )
  })
  qemu.kill('SIGKILL')
  await closed
  return result
}
