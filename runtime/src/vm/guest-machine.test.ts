import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import { after, before, type TestContext, test } from 'node:test'
import { GuestChannel, type GuestExit } from './guest.ts'
import type { Identity } from './guest-identity.ts'
import { identity, makeTemplate, restore, type Template, until } from './guest-testbed.ts'

// Each test has a machine of its own, restored from one template: the way all instances come to life.
let template: Template

before(async () => {
  template = await makeTemplate()
})

after(() => rm(template.folder, { recursive: true, force: true }))

async function machine(t: TestContext, args: string[], rest?: Partial<Identity>) {
  const running = await restore(template)
  t.after(running.kill)
  const output = follow(running.guest)
  await running.guest.waiting()
  running.guest.identify(identity(args, rest))
  return { ...running, output }
}

/** Everything the guest says, kept as it comes. */
function follow(guest: GuestChannel) {
  const seen = { stdout: '', stderr: '', droppedBytes: 0, started: 0, exit: [] as GuestExit[], failed: [] as string[] }
  guest.on('log', (stream, bytes) => {
    seen[stream] += bytes
  })
  guest.on('dropped', (bytes) => {
    seen.droppedBytes += bytes
  })
  guest.on('started', (pid) => {
    seen.started = pid
  })
  guest.on('exited', (exit) => seen.exit.push(exit))
  guest.on('failed', (sentence, code) => seen.failed.push(`${code} ${sentence}`))
  return seen
}

async function exec(guest: GuestChannel, args: string[], input = '') {
  const session = guest.exec({ args })
  let output = ''
  session.on('output', (_, bytes) => {
    output += bytes
    session.consumed(bytes.length)
  })
  session.write(Buffer.from(input))
  session.end()
  return { code: await session.exit, output: output.trim() }
}

const sh = (script: string) => ['sh', '-c', script]
const asleep = sh('trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done')

test('a program runs with the identity it was given', async (t) => {
  const { output } = await machine(
    t,
    sh(
      'id; hostname; pwd; echo $A-$HOME-$HOSTNAME-$PATH; cat /etc/hosts; echo oops >/dev/stderr; ls -d /data/a; echo end',
    ),
    {
      user: 'web',
      cwd: '/srv/app',
      env: ['A=1', 'A=b c'],
      volumes: ['/data/a'],
    },
  )
  await until(() => output.stdout.includes('end') && output.stderr)
  const lines = output.stdout.split('\n')
  assert.deepEqual(lines.slice(0, 4), [
    'uid=1000(web) gid=1000(web) groups=2000(extra)',
    'testling',
    '/srv/app',
    'b c-/srv-testling-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  ])
  assert.ok(lines.includes('10.0.2.15\ttestling'))
  assert.ok(lines.includes('/data/a'))
  assert.equal(output.stderr, 'oops\n')
})

test('two copies of one template draw different random numbers', async (t) => {
  const draw = sh(
    'head -c 16 /dev/urandom | md5sum; cat /proc/sys/kernel/random/uuid; cat /proc/self/stat | cut -d" " -f28; echo end',
  )
  const [one, other] = [await machine(t, draw), await machine(t, draw)]
  await until(() => one.output.stdout.includes('end') && other.output.stdout.includes('end'))
  const [a, b] = [one.output.stdout.split('\n'), other.output.stdout.split('\n')]
  for (const index of [0, 1, 2]) assert.notEqual(a[index], b[index])
})

test('a server is reported when it listens, and answers through the network', async (t) => {
  const { guest, port } = await machine(t, ['httpd', '-f', '-p', '8080', '-h', '/etc'], { ports: [8080] })
  const listening = new Promise((resolve) => {
    guest.on('listeners', (listeners) => listeners.length > 0 && resolve(listeners))
  })
  assert.deepEqual(await listening, [{ port: 8080, loopback: false, ipv6: true }])
  assert.deepEqual(await guest.listeners(), [{ port: 8080, loopback: false, ipv6: true }])
  const reply = await fetch(`http://127.0.0.1:${port}/hostname`)
  assert.equal(await reply.text(), 'testling\n')
})

test('a port that is open on the loopback only is told apart', async (t) => {
  const { guest, output } = await machine(t, ['httpd', '-f', '-p', '127.0.0.1:99'], { ports: [99] })
  await until(() => output.started)
  let listeners = await guest.listeners()
  while (listeners.length === 0) listeners = await guest.listeners()
  assert.deepEqual(listeners, [{ port: 99, loopback: true, ipv6: false }])
})

test('the clock stands still in a pause and is right once it was set', async (t) => {
  const { guest, qmp, output } = await machine(t, asleep)
  await until(() => output.started)
  const clock = async () => Number((await exec(guest, ['date', '+%s'])).output)
  await qmp.execute('stop')
  const pausedAt = Date.now()
  await until(() => Date.now() - pausedAt > 2_500)
  await qmp.execute('cont')
  assert.ok(Date.now() / 1000 - (await clock()) > 2, 'the guest cannot know of its pause')
  await guest.setClock()
  const [before, told, behind] = [Date.now(), await clock(), Date.now()]
  assert.ok(told >= Math.floor(before / 1000) && told <= behind / 1000, `${before} ${told} ${behind}`)
})

test('commands run beside the program, as its user, with their exit code, input and terminal', async (t) => {
  const { guest, output } = await machine(t, asleep, { user: 'web', cwd: '/srv', env: ['A=1'] })
  await until(() => output.started)
  const several = [
    exec(guest, sh('id -un; pwd; echo $A; exit 3')),
    exec(guest, ['wc', '-c'], 'x'.repeat(300_000)),
    exec(guest, sh('kill -9 $$')),
  ]
  assert.deepEqual(await Promise.all(several), [
    { code: 3, output: 'web\n/srv\n1' },
    { code: 0, output: '300000' },
    { code: 137, output: '' },
  ])
  assert.deepEqual(await exec(guest, ['nowhere']), { code: 127, output: 'command not found: nowhere' })

  const terminal = guest.exec({ args: ['sh'], tty: { rows: 33, columns: 77 } })
  let screen = ''
  terminal.on('output', (_, bytes) => {
    screen += bytes
    terminal.consumed(bytes.length)
  })
  terminal.write(Buffer.from('stty size\n'))
  await until(() => screen.includes('33 77'))
  terminal.resize(40, 100)
  terminal.write(Buffer.from('stty size; exit 5\n'))
  assert.equal(await terminal.exit, 5)
  assert.match(screen, /40 100/)
})

test('a session whose output nobody takes holds up neither the clock nor other sessions', async (t) => {
  const { guest, output } = await machine(t, asleep)
  await until(() => output.started)
  const greedy = guest.exec({ args: ['yes'] })
  let unread = 0
  greedy.on('output', (_, bytes) => {
    unread += bytes.length
  })
  await until(() => unread === 64 * 1024)
  await guest.setClock()
  assert.deepEqual(await exec(guest, ['echo', 'here']), { code: 0, output: 'here' })
  greedy.kill()
  await until(async () => (await exec(guest, ['pidof', 'yes'])).code === 1)
})

test('a program that floods a log nobody takes holds up neither the clock nor a session', async (t) => {
  const { guest, output } = await machine(t, ['yes', 'flood'])
  await until(() => output.stdout.length > 100_000)
  guest.pauseLog()
  for (let i = 0; i < 20; i++) await guest.setClock()
  assert.deepEqual(await exec(guest, ['echo', 'here']), { code: 0, output: 'here' })
  const before = output.stdout.length
  guest.resumeLog()
  await until(() => output.stdout.length > before)
  assert.equal(output.droppedBytes, 0)
})

test('the stop signal is the image’s own, and who ignores it is killed after the grace', async (t) => {
  const polite = await machine(t, sh('trap "echo bye; exit 7" INT; echo up; while :; do sleep 1000 & wait $!; done'), {
    stopSignal: 2,
  })
  await until(() => polite.output.stdout.includes('up'))
  polite.guest.stop(60_000)
  await polite.gone
  assert.deepEqual(polite.output.exit, [{ code: 7, signal: 0, outOfMemory: false }])
  assert.match(polite.output.stdout, /bye/)

  const stubborn = await machine(t, ['sleep', '1000']) // PID 1 of its namespace, without a handler: TERM is ignored
  await until(() => stubborn.output.started)
  stubborn.guest.stop(100)
  await stubborn.gone
  assert.deepEqual(stubborn.output.exit, [{ code: -1, signal: 9, outOfMemory: false }])
})

test('a program that takes more memory than there is ends with that reason', async (t) => {
  const { gone, output } = await machine(t, ['tail', '/dev/zero'])
  await gone
  assert.deepEqual(output.exit, [{ code: -1, signal: 9, outOfMemory: true }])
})

const failures: [sentence: string, args: string[], rest?: Partial<Identity>][] = [
  ['127 command not found: nowhere', ['nowhere']],
  ['127 command not found: /bin/nowhere', ['/bin/nowhere']],
  [
    '127 command not found: the interpreter or loader that /bin/no-interpreter names is not in the image',
    ['no-interpreter'],
  ],
  ['127 no command: neither the image nor the deploy names one', []],
  ['126 not executable: /bin/no-mode: permission denied', ['/bin/no-mode']],
  [
    '126 exec format error: /bin/no-format is neither a program for this machine nor a script that begins with #!',
    ['no-format'],
  ],
  ['126 wrong architecture: /bin/for-arm64 is built for arm64, this machine is amd64', ['for-arm64']],
  ['125 no such user in the image: bob', ['true'], { user: 'bob' }],
  ['125 no such group in the image: club', ['true'], { user: 'web:club' }],
  ['125 the working directory /etc/passwd is not a folder in the image', ['true'], { cwd: '/etc/passwd' }],
]

test('what cannot be started fails with a sentence that says why, and the machine turns itself off', async (t) => {
  for (const [sentence, args, rest] of failures) {
    const { output, gone } = await machine(t, args, rest)
    await gone
    assert.deepEqual(output.failed, [sentence])
  }
})

/** CPU time of a process so far, in ms; the kernel counts in ticks of 10 ms. */
async function cpuMs(pid: number) {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

test('a guest whose host has gone keeps the newest of its log, does not spin, and tells the next host where it is', async (t) => {
  const chatty = sh('trap "seq 1 20000; echo last" USR1; while :; do sleep 1000 & wait $!; done')
  const { guest, sockets, pid, output } = await machine(t, chatty)
  await until(() => output.started)
  const orphan = guest.exec({ args: ['tail', '-f', '/dev/null'] })
  // Speaks only after its host has gone: what is on its way to a host that dies is lost.
  assert.equal((await exec(guest, sh('(sleep 1; kill -USR1 1) >/dev/null 2>&1 &'))).code, 0)
  guest.close()
  await assert.rejects(orphan.exit)
  const before = await cpuMs(pid)
  const from = Date.now()
  await until(() => Date.now() - from > 2_000)
  assert.ok((await cpuMs(pid)) - before < 1_000, 'an idle guest without a host uses the CPU')

  const next = await GuestChannel.connect(sockets, { deadlineMs: 20_000 })
  t.after(() => next.close())
  const seen = follow(next)
  await until(() => seen.stdout.endsWith('last\n'))
  assert.equal(seen.started, output.started)
  assert.ok(seen.stdout.length <= 64 * 1024 + 16 * 1024)
  const written = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join('').length + 'last\n'.length
  assert.equal(seen.droppedBytes + seen.stdout.length + output.stdout.length, written)
  assert.equal((await exec(next, ['pidof', 'tail'])).code, 1, 'the old host’s session is gone')
})

test('a host that connects while the guest is paused is answered when it runs again', async (t) => {
  const { guest, sockets, qmp, output } = await machine(t, asleep)
  await until(() => output.started)
  const flood = guest.exec({ args: ['yes'] }) // leaves half-read frames in the pipes
  flood.on('output', (_, bytes) => flood.consumed(bytes.length))
  await guest.setClock()
  await qmp.execute('stop')
  guest.close()
  const next = await GuestChannel.connect(sockets, { deadlineMs: 20_000 })
  t.after(() => next.close())
  const seen = follow(next)
  await qmp.execute('cont')
  await next.setClock()
  assert.equal(seen.started, output.started)
  assert.deepEqual(await exec(next, ['echo', 'here']), { code: 0, output: 'here' })
})
