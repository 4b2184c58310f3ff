/** Descriptors that the launcher hands to QEMU; a fixed number for each, so that others can find them in /proc. */
export const descriptors = {
  console: 9,
  ram: 10,
  root: 11,
  scratch: 12,
  tap: 13,
  qmp: 14,
  ctl: 15,
  log: 16,
  kernel: 17,
  initrd: 18,
  state: 19,
  hmp: 20,
} as const

/** Every tap is a link of its own, so all guests may carry the same address: a template has it in its memory. */
export const guestMac = '52:54:00:6c:63:01'

export interface MachineShape {
  accelerator: 'kvm' | 'tcg'
  memoryMib: number
  cpus: number
}

export interface BootWith extends MachineShape {
  /** The host's TSC rate: under TCG the guest cannot measure it, and its clock would run fast or slow by the ratio. */
  tscKhz: number
}

/** Boots the kernel to make a template: what it writes to its RAM goes to the memfd behind descriptor `ram`. */
export function bootArguments(shape: BootWith): string[] {
  // Without these a microvm under TCG hangs while it calibrates its timers (measured; see the kernel's calibrate.c).
  const calibration = `tsc_early_khz=${shape.tscKhz} lpj=8000000 no_timer_check`
  return [
    ...machineArguments(shape),
    ...['-kernel', `/proc/self/fd/${descriptors.kernel}`],
    ...['-initrd', `/proc/self/fd/${descriptors.initrd}`],
    ...['-append', `${calibration} console=ttyS0 quiet reboot=t panic=-1`],
  ]
}

/** Waits for a state; its RAM is a private copy-on-write view of the template's sealed memfd: see jail/private-ram.c. */
export function restoreArguments(shape: MachineShape): string[] {
  return [...machineArguments(shape), '-S', '-incoming', 'defer']
}

/** Template and instances must have the very same devices, in the same order: device state is restored into them. */
function machineArguments(shape: MachineShape): string[] {
  const { accelerator, memoryMib, cpus } = shape
  const fd = descriptors
  return [
    ...['-M', 'microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,memory-backend=mem'],
    // With thread=single, QEMU 7.2 may set a stopped guest's clock going again (decision 021): it then spins for ever.
    // Translated code is bounded, since it counts against the instance's memory limit: Node's takes some 44 MiB.
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi,tb-size=128'],
    ...['-cpu', accelerator === 'kvm' ? 'host' : 'max'],
    ...['-nodefaults', '-no-user-config', '-nographic', '-no-reboot', '-L', '/usr/share/qemu'],
    ...['-m', `${memoryMib}M`, '-smp', String(cpus)],
    ...['-object', `memory-backend-file,id=mem,size=${memoryMib}M,mem-path=/proc/self/fd/${fd.ram},share=on`],
    ...['-add-fd', `fd=${fd.console},set=9`],
    ...['-chardev', 'file,id=console,path=/dev/fdset/9,append=on', '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=qmp,fd=${fd.qmp},server=on,wait=off`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=hmp,fd=${fd.hmp},server=on,wait=off`, '-mon', 'chardev=hmp,mode=readline'],
    ...['-device', 'virtio-serial-device,max_ports=4'],
    ...['-chardev', `socket,id=ctl,fd=${fd.ctl},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=ctl,name=ctl,nr=1'],
    ...['-chardev', `socket,id=log,fd=${fd.log},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=log,name=log,nr=2'],
    ...disk('root', fd.root, 1, 'read-only=on,auto-read-only=off'),
    ...disk('scratch', fd.scratch, 2, 'cache.no-flush=on,discard=unmap'), // lives no longer than the RAM beside it
    ...['-netdev', `tap,id=net,fd=${fd.tap}`, '-device', `virtio-net-device,netdev=net,mac=${guestMac}`],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
  ]
}

function disk(name: string, fd: number, set: number, options: string): string[] {
  const readOnly = options.startsWith('read-only') ? ',read-only=on' : ''
  return [
    ...['-add-fd', `fd=${fd},set=${set}`],
    ...['-blockdev', `driver=file,node-name=${name}-file,filename=/dev/fdset/${set},locking=off,${options}`],
    ...['-blockdev', `driver=raw,node-name=${name},file=${name}-file${readOnly}`],
    ...['-device', `virtio-blk-device,drive=${name}`],
  ]
}
