import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { startNats } from '../../../test/harness/nats.ts'
import { LittleError, RemoteError } from '../core/errors.ts'
import { answer, ask } from './ask.ts'
import { AnswerTimeout, NobodyAnswers } from './errors.ts'

class TooMany extends LittleError {
  readonly code = 'test.too_many'
  readonly status = 409
  readonly hint = 'Ask for less'
}

test('a question is answered, and a foreseen failure crosses the wire with its code', async (t) => {
  const nats = await startNats(t)
  const host = nats.open('host')
  await host.connection('the test')
  answer(host, 'ask.host.n1.instances', z.object({ n: z.number() }), ({ n }) => {
    if (n > 1) throw new TooMany(`${n} are too many`)
    if (n < 0) throw new TypeError('a bug with secrets in it')
    return [n]
  })
  await host.now?.flush()
  const question = (n: unknown) =>
    ask(nats.open(), 'ask.host.n1.instances', { n }, { schema: z.array(z.number()), deadlineMs: 5_000 })

  assert.deepEqual(await question(1), [1])
  await assert.rejects(question(2), (error) => error instanceof RemoteError && error.code === 'test.too_many')
  await assert.rejects(question('x'), (error) => error instanceof RemoteError && error.code === 'cluster.unreadable')
  await assert.rejects(question(-1), (error) => error instanceof RemoteError && !error.message.includes('secrets'))
})

test('a question to nobody fails at once, one to a silent role at its deadline', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  const options = { schema: z.unknown(), deadlineMs: 300 }
  await assert.rejects(ask(cluster, 'ask.billing.cost', {}, { ...options, deadlineMs: 5_000 }), NobodyAnswers)
  answer(cluster, 'ask.billing.cost', z.unknown(), () => new Promise(() => {}))
  await assert.rejects(ask(cluster, 'ask.billing.cost', {}, options), AnswerTimeout)
})
