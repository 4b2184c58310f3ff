import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { identity, makeTemplate, restore, type Template, until } from './guest-testbed.ts'

let template: Template

before(async () => {
  template = await makeTemplate()
})

after(() => rm(template.folder, { recursive: true, force: true }))

const hook = `mkdir -p /etc/littlecloud/hooks
printf '#!/bin/sh\\nsleep 1; echo cloned\\n' >/etc/littlecloud/hooks/clone; chmod +x /etc/littlecloud/hooks/clone`

test('a copy gets an address of its own, its connections to others end, and its clone hook comes before all else', async (t) => {
  const { guest, port, kill } = await restore(template)
  t.after(kill)
  let output = ''
  guest.on('log', (_, bytes) => {
    output += bytes
  })
  const server = 'nc -l -p 8080 -e sh -c "read line; echo got >&2; read line; echo ended >&2"'
  await guest.waiting()
  guest.identify(identity(['sh', '-c', `${hook}; ${server}; while :; do sleep 1000; done`], { ports: [8080] }))
  await new Promise<void>((resolve) => guest.on('listeners', (open) => open.length > 0 && resolve()))
  const client = connect(port, '127.0.0.1')
  t.after(() => client.destroy())
  client.on('error', () => {}) // its end is what is wanted
  client.write('hello\n')
  await until(() => output.includes('got'))
  assert.doesNotMatch(output, /ended/)

  await guest.becomeOwn({ ip: '10.0.2.77', entropy: crypto.getRandomValues(new Uint8Array(64)) })
  assert.match(output, /cloned/)
  await until(() => output.includes('ended'))
  const session = guest.exec({ args: ['sh', '-c', 'ip -4 addr show eth0; ip route; cat /etc/hosts'] })
  let shown = ''
  session.on('output', (_, bytes) => {
    shown += bytes
    session.consumed(bytes.length)
  })
  assert.equal(await session.exit, 0)
  assert.match(shown, /inet 10\.0\.2\.77\/32/)
  assert.doesNotMatch(shown, /10\.0\.2\.15/)
  assert.match(shown, /default via 10\.0\.2\.2/)
  assert.match(shown, /10\.0\.2\.77\ttestling/)
})
