import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { cachePaths } from '../core/paths.ts'
import { bootsKernel, probeKvm } from './kvm-probe.ts'

const { kernel, initrd } = cachePaths()
const notSetUp = !existsSync(kernel) && 'no guest kernel yet: run the set-up'

/** Every process whose command line has the word; a QEMU's `-name` is in it. */
function processesNamed(word: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word)
    } catch {
      return false
    }
  })
}

test('a machine whose guest kernel reaches its init is usable', { skip: notSetUp }, async () => {
  const append = 'console=ttyS0 tsc_early_khz=2500000 lpj=8000000 no_timer_check reboot=t panic=-1'
  const tcg = ['-accel', 'tcg', '-cpu', 'max', '-kernel', kernel, '-initrd', initrd, '-append', append]
  const probe = await bootsKernel(tcg, 30_000)
  assert.deepEqual(probe, { usable: true, reason: 'a guest kernel boots in it' })
})

test('a guest that hangs is given up at the limit, and its QEMU is gone', async () => {
  const name = `probe-hangs-${process.pid}`
  const probe = bootsKernel(['-accel', 'tcg', '-S', '-name', name], 300)
  assert.equal((await probe).usable, false)
  assert.match((await probe).reason, /hangs in it \(given 300 ms\)/)
  assert.deepEqual(processesNamed(name), [])
})

test('a QEMU that ends by itself gives its own complaint as the reason', async () => {
  const probe = await bootsKernel(['-accel', 'no-such-accelerator'], 30_000)
  assert.equal(probe.usable, false)
  assert.match(probe.reason, /no-such-accelerator/)
})

test('KVM is judged within its limit, and nothing is left of the probe', { skip: notSetUp }, async () => {
  const probe = await probeKvm(kernel, initrd)
  assert.ok(probe.reason.length > 0)
  assert.deepEqual(processesNamed('console=ttyS0 reboot=t panic=-1'), [])
})
