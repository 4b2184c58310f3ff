import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'

/** Even emulated, a kernel is there after 1.0–1.7 s (2 cores of 2.6 GHz); some machines have a /dev/kvm in which guests hang for ever. */
export const probeLimitMs = 2_000

export interface Probe {
  usable: boolean
  /** The fact behind it, for people. */
  reason: string
}

/**
 * Boots the guest kernel under KVM until it starts its init, and kills it. Less is no proof: on a machine with
 * crippled nested virtualisation, real-mode code ran and a kernel did not.
 */
export async function probeKvm(kernel: string, initrd: string): Promise<Probe> {
  const refused = await access('/dev/kvm', constants.R_OK | constants.W_OK).catch(
    (error: NodeJS.ErrnoException) => error,
  )
  if (refused)
    return { usable: false, reason: refused.code === 'ENOENT' ? 'no /dev/kvm' : '/dev/kvm is not open to us' }
  const files = ['-kernel', kernel, '-initrd', initrd]
  return bootsKernel(
    ['-accel', 'kvm', '-cpu', 'host', ...files, '-append', 'console=ttyS0 reboot=t panic=-1'],
    probeLimitMs,
  )
}

/** Whether a microVM with these arguments comes as far as its init. Its QEMU is gone when this resolves. */
export async function bootsKernel(args: string[], limitMs: number): Promise<Probe> {
  const machine = ['-M', 'microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on', '-m', '128M', '-smp', '1']
  const bare = ['-nodefaults', '-no-user-config', '-nographic', '-no-reboot', '-serial', 'stdio']
  const qemu = spawn('qemu-system-x86_64', [...machine, ...bare, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = new Promise<void>((resolve) => qemu.once('close', () => resolve()))

  const result = await new Promise<Probe>((resolve) => {
    const limit = setTimeout(() => end(false, `a guest hangs in it (given ${limitMs} ms)`), limitMs)
    function end(usable: boolean, reason: string) {
      clearTimeout(limit)
      resolve({ usable, reason })
    }
    let [output, complaint] = ['', ''] // both stay small: the probe ends at init or at the limit
    qemu.stdout.on('data', (bytes: Buffer) => {
      output += bytes
      if (output.includes('Run /init as init process')) end(true, 'a guest kernel boots in it')
    })
    qemu.stderr.on('data', (bytes: Buffer) => {
      complaint += bytes
    })
    qemu.once('error', (error) => end(false, `QEMU does not start: ${error.message}`))
    qemu.once('close', () => end(false, `a guest ends in it: ${lastLine(complaint) || 'no reason given'}`))
  })
  qemu.kill('SIGKILL')
  await closed
  return result
}

/** `qemu-system-x86_64: what is wrong`, without the name. */
const lastLine = (complaint: string) => (complaint.trim().split('\n').at(-1) ?? '').replace(/^qemu-system-x86_64: /, '')
