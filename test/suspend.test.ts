import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { access, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { suspendVm } from '../runtime/src/vm/suspend.ts'
import { SuspendedImageCorrupt, SuspendedImageDoesNotFit, SuspendFailed } from '../runtime/src/vm/suspend-errors.ts'
import { ensureJail } from '../scripts/setup/jail.ts'
import { openVmRig, type RigImage, type RigInstance, type VmRig } from './harness/vm-rig.ts'
import { inOwnNetwork } from './isolation-own-network.ts'
import { Asker } from './suspend/asker.ts'
import { keeperImage } from './suspend/keeper.ts'
import { filesHolding, memoryHolds } from './suspend/search.ts'

const mib = 1024 * 1024

/** How often a process' first thread has gone to rest of its own accord. */
const timesRun = async (pid: number) =>
  Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])

if (inOwnNetwork(import.meta.filename)) {
  let rig: VmRig
  let keeper: RigImage
  let kept: RigInstance
  let asker: Asker

  before(async () => {
    await ensureJail(() => {})
    rig = await openVmRig({ node: 'n-suspend', subnet: '10.77.0.0/16', memoryMib: 128 })
    keeper = await keeperImage(rig.dir)
    kept = await rig.start('kept', keeper)
    asker = await Asker.connect(kept.link.address)
  })
  after(async () => {
    asker?.close()
    await rig?.[Symbol.asyncDispose]()
  })

  const wake = async (instance: RigInstance) => {
    await instance.resume()
    await letRun(instance)
  }
  /** What reaches the log when the keeper says that. */
  const logged = async ({ vm }: RigInstance, text: string) => {
    const heard = new Promise<string>((resolve) => vm.guest.on('log', (_, bytes) => resolve(bytes.toString())))
    assert.equal(await asker.ask(`say ${text}`), 'said')
    return heard
  }
  const letRun = async (instance: RigInstance) => {
    await instance.vm.qmp.execute('cont')
    await instance.vm.guest.setClock(60_000)
  }

  test('memory, files and connections live on over every suspend', async () => {
    assert.equal(await asker.ask('fill 8 7'), 'filled')
    const sum = await asker.ask('sum')
    for (const time of [1, 2, 3]) {
      assert.equal(await asker.ask('count'), String(time))
      assert.equal(await asker.ask(`write ${time}`), 'written')
      const { ramBytes } = await kept.suspend()
      assert.ok(ramBytes > 8 * mib && ramBytes < 40 * mib, `${ramBytes / mib} MiB are its own of 128`)
      await assert.rejects(access(kept.scratch), 'its files are nowhere but in the image')
      await wake(kept)
      await assert.rejects(access(kept.image), 'a used image is gone')
      assert.equal(await logged(kept, `line ${time}`), `line ${time}\n`)
      assert.equal(await asker.ask('sum'), sum)
      assert.equal(await asker.ask('read'), '123'.slice(0, time))
    }
    assert.equal(await asker.ask('count'), '4')
  })

  test('a microVM goes on in a new process as it was in the old one', async () => {
    const sum = await asker.ask('sum')
    const before = kept.vm.process.pid
    await kept.renew()
    await letRun(kept)
    assert.notEqual(kept.vm.process.pid, before)
    assert.equal(await logged(kept, 'renewed'), 'renewed\n')
    assert.equal(await asker.ask('sum'), sum)
    assert.equal(await asker.ask('read'), '123')
  })

  test('a microVM that was stopped in the middle of its work does nothing while it is parked', async () => {
    const { vm } = kept
    for (let round = 0; round < 10; round++) {
      const answer = asker.ask('sum')
      await delay(3)
      await vm.qmp.execute('stop')
      const before = await timesRun(vm.process.pid)
      await delay(300)
      const times = (await timesRun(vm.process.pid)) - before
      assert.ok(times < 10, `its process ran ${times} times in 300 ms`)
      await letRun(kept)
      assert.equal(await answer, await asker.ask('sum'))
    }
  })

  test('two instances keep the pages of their template, and each its own', async () => {
    const other = await rig.start('other', keeper)
    const others = await Asker.connect(other.link.address)
    assert.equal(await others.ask('count'), '1')
    await other.suspend()
    await wake(other)
    assert.equal(await others.ask('count'), '2')
    assert.equal(await asker.ask('count'), '5')
    others.close()
    const { ramBytes } = await other.suspend()
    assert.ok(ramBytes < 20 * mib, `${ramBytes / mib} MiB`)
  })

  test('what an instance was told is in its memory but in no file', async () => {
    const told = 'a value that only this instance was told'
    const { dir } = rig
    assert.ok(await memoryHolds(kept.vm.process.pid, told), 'the search finds nothing at all')
    await kept.suspend()
    assert.deepEqual(await filesHolding(dir, told), [])
    await wake(kept)
  })

  test('one that could not be written out goes to the disk the next time, without having been woken in between', async () => {
    await kept.vm.qmp.execute('stop')
    const into = join(rig.dir, 'no such folder', 'suspended')
    await assert.rejects(suspendVm(kept.vm, { into, scratch: kept.scratch, ...kept.secret }), SuspendFailed)
    await kept.suspend()
    await wake(kept)
  })

  test('an image of another template, QEMU or kernel is refused', async () => {
    await kept.suspend()
    await assert.rejects(kept.resume({ ...kept.secret, fits: 'another' }), SuspendedImageDoesNotFit)
    await wake(kept)
    assert.equal(await asker.ask('count'), '6')
  })

  test('an image whose key is gone is refused, and says why', async () => {
    await kept.suspend()
    await assert.rejects(kept.resume({ ...kept.secret, key: randomBytes(32) }), /turned off/)
  })

  test('a changed or shortened image is refused, and no microVM is left of it', async () => {
    const { size } = await stat(kept.image)
    const whole = await readFile(kept.image)
    for (const position of [3, 30, 70, 5_000, size >> 1, size - 1]) {
      const changed = Buffer.from(whole)
      changed[position]! ^= 1
      await writeFile(kept.image, changed)
      await assert.rejects(
        kept.resume(),
        (error) => error instanceof SuspendedImageCorrupt || error instanceof SuspendedImageDoesNotFit,
        `byte ${position}`,
      )
    }
    for (const bytes of [0, 40, 100, size - 1]) {
      await writeFile(kept.image, whole.subarray(0, bytes))
      await assert.rejects(kept.resume(), SuspendedImageCorrupt, `${bytes} bytes of it`)
    }
    assert.equal(kept.vm.process.alive, false)
    await writeFile(kept.image, whole)
    await wake(kept)
    assert.equal(await asker.ask('count'), '7')
  })
}
