// What nats-server makes of a full disk, and its supervisor of that.
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { FullDisk } from '../../runtime/src/bin/up/full-disk.ts'
import { freePort } from '../../runtime/src/bin/up/ports.ts'
import { Role } from '../../runtime/src/bin/up/role.ts'
import { Bucket } from '../../runtime/src/cluster/bucket.ts'
import { Cluster } from '../../runtime/src/cluster/connect.ts'
import { natsAnswers, prepareNatsServer } from '../../runtime/src/cluster/nats-server.ts'
import { SmallDisk } from '../harness/small-disk.ts'

test('a write that NATS refuses on a full disk is taken once there is room, and nothing of before is lost', async () => {
  using disk = new SmallDisk(96)
  const dir = join(disk.dir, 'nats')
  const { command, args, config } = await prepareNatsServer({ dir, port: await freePort() })
  await mkdir(join(disk.dir, 'run'))
  const readyWithinMs = 60_000
  const isReady = () => natsAnswers(config, readyWithinMs)
  const nats = new Role({ name: 'nats', command, args, isReady, readyWithinMs }, disk.dir)
  await nats.start()
  using _ = new FullDisk(dir, () => nats.restart())
  await using cluster = Cluster.open(config, { name: 'a test' })
  try {
    const bucket = new Bucket(cluster, 'apps', z.string())
    const large = 'x'.repeat(64 * 1024)
    await bucket.put('kept', large)
    disk.fill()
    await assert.rejects(async () => {
      for (let time = 0; time < 10; time++) await bucket.put('lost', large)
    })
    assert.equal((await bucket.get('kept'))?.value, large)
    await delay(2_000) // for it to be seen that the disk is full
    disk.empty()
    const taken = () => bucket.put('taken', large).then(Boolean, () => false)
    for (const until = Date.now() + 60_000; !(await taken()); ) assert.ok(Date.now() < until, 'it is taken')
    assert.equal((await bucket.get('kept'))?.value, large)
    assert.match(await readFile(join(dir, 'nats.log'), 'utf8'), /no space left on device/)
  } finally {
    disk.empty()
    await nats.stop()
  }
})
