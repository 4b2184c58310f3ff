import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { after, before, type TestContext, test } from 'node:test'
import { GuestChannel } from './guest.ts'
import { identity, makeTemplate, restore, type Template, until } from './guest-testbed.ts'

let template: Template

before(async () => {
  template = await makeTemplate()
})

after(() => rm(template.folder, { recursive: true, force: true }))

/** A running program, and what its guest says. */
async function machine(t: TestContext, script: string) {
  const running = await restore(template)
  t.after(running.kill)
  const { guest } = running
  const seen = { output: '', awake: [] as boolean[], failed: [] as string[] }
  guest.on('log', (_, bytes) => {
    seen.output += bytes
  })
  guest.on('stayAwake', (wanted) => seen.awake.push(wanted))
  guest.on('hookFailed', (hook, code) => seen.failed.push(`${hook} ${code}`))
  await guest.waiting()
  guest.identify(identity(['sh', '-c', `${script}; echo up; while :; do sleep 1000; done`], { user: 'root' }))
  await until(() => seen.output.includes('up\n'))
  return { ...running, seen }
}

async function sh(guest: GuestChannel, script: string) {
  const session = guest.exec({ args: ['sh', '-c', script] })
  assert.equal(await session.exit, 0, script)
}

/** Makes an executable of the image's, as a Dockerfile's COPY would. */
const hook = (name: string, script: string) =>
  `mkdir -p /etc/littlecloud/hooks; printf '#!/bin/sh\\n%s\\n' '${script}' >/etc/littlecloud/hooks/${name}; chmod +x /etc/littlecloud/hooks/${name}`

const folder = '/run/littlecloud/stay-awake'

test('a file of any user keeps the guest awake until the folder is empty again', async (t) => {
  const { guest, seen, sockets } = await machine(t, `su web -c "touch ${folder}/job"`)
  await until(() => seen.awake.includes(true))
  await sh(guest, `touch ${folder}/other; rm ${folder}/job`)
  await guest.setClock() // whatever was said before it has come
  await sh(guest, `! rmdir ${folder}`)
  guest.close()
  const next = await GuestChannel.connect(sockets, { deadlineMs: 20_000 })
  t.after(() => next.close())
  const told: boolean[] = []
  next.on('stayAwake', (wanted) => told.push(wanted))
  await until(() => told.length === 1)
  await sh(next, `rm ${folder}/other`)
  await until(() => told.length === 2)
  assert.deepEqual(seen.awake, [false, true]) // the first tells the host that has come how it stands
  assert.deepEqual(told, [true, false])
})

test('a file that was there before the question is never missed by the answer', async (t) => {
  const { guest, seen } = await machine(t, 'true')
  for (let round = 0; round < 20; round++) {
    await sh(guest, `touch ${folder}/job`)
    seen.awake.length = 0
    await guest.rest(false)
    assert.deepEqual(seen.awake, [true])
    await sh(guest, `rm ${folder}/job`)
    await until(() => seen.awake.includes(false))
    seen.awake.length = 0
    await guest.rest(false)
    assert.deepEqual(seen.awake, [])
  }
})

test('the hooks take turns: sleep before the answer, wake after the clock, both with the program’s environment', async (t) => {
  const hooks = `${hook('sleep', 'echo sleep of $HOSTNAME')}; ${hook('wake', 'echo wake')}`
  const { guest, seen } = await machine(t, hooks)
  const before = () => seen.output.split('\n').slice(1, -1).join(', ')
  await guest.rest(false)
  await until(() => before() === 'sleep of testling')
  await guest.rest(false) // asked again without a clock between: no second turn
  await guest.setClock()
  await until(() => before() === 'sleep of testling, wake')
  await guest.setClock()
  await guest.rest(false)
  await guest.setClock()
  await until(() => before() === 'sleep of testling, wake, sleep of testling, wake')
  assert.deepEqual(seen.failed, [])
})

test('a sleep hook is not waited for by a request, and the wake hook follows it', async (t) => {
  const hooks = `mkfifo /tmp/go; ${hook('sleep', 'echo asked; read line </tmp/go; echo slept')}; ${hook('wake', 'echo woken')}`
  const { guest, seen } = await machine(t, hooks)
  let isOver = false
  const rest = guest.rest(false).then(() => {
    isOver = true
  })
  await until(() => seen.output.includes('asked'))
  assert.equal(isOver, false)
  await guest.setClock()
  await rest // called off by the clock
  assert.ok(!seen.output.includes('slept'), 'the hook still runs')
  await sh(guest, 'echo >/tmp/go')
  await until(() => seen.output.includes('woken'))
  assert.match(seen.output, /asked\nslept\nwoken\n$/)
})

test('a hook that fails is told, and one that hangs is ended', async (t) => {
  const hooks = `${hook('sleep', 'sleep 1000')}; ${hook('wake', 'exit 3')}`
  const { guest, seen } = await machine(t, hooks)
  await guest.rest(false)
  assert.deepEqual(seen.failed, ['sleep -1'])
  await guest.setClock()
  await until(() => seen.failed.length === 2)
  assert.deepEqual(seen.failed, ['sleep -1', 'wake 3'])
})

test('files that count no more do not keep the guest from its rest', async (t) => {
  const { guest, seen } = await machine(t, `${hook('sleep', 'echo slept')}; touch ${folder}/forgotten`)
  await until(() => seen.awake.includes(true))
  await guest.rest(true)
  await until(() => seen.output.includes('slept'))
})
