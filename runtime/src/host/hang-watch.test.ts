import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QmpClosed, QmpTimeout } from '../vm/qmp.ts'
import { HangWatch, MicroVmHangs } from './hang-watch.ts'
import type { Instance } from './instance.ts'

/** A running instance with one request under way, and what its QEMU process says when it is asked. */
function busy(answer: () => Promise<object>) {
  const usage = { inFlight: 1, requests: 1, egressBytes: 0 }
  const failures: Error[] = []
  let asked = 0
  const instance = {
    id: 'i-1',
    state: 'running',
    keepers: new Map([['h-1', { id: 'h-1', usage }]]),
    fail: (error: Error) => failures.push(error),
    vm: {
      qmp: {
        execute: () => {
          asked++
          return answer()
        },
      },
    },
  } as unknown as Instance
  return { instance, usage, failures, asked: () => asked }
}

const looks = async (instance: Instance, seconds: number, each: () => void = () => {}) => {
  const watch = new HangWatch()
  for (let second = 0; second < seconds; second++) {
    watch.look([instance], second * 1000)
    each()
    await new Promise(setImmediate)
  }
}

test('a microVM whose process does not answer, twice, while a request waits for a byte hangs', async () => {
  const { instance, usage, failures, asked } = busy(() => Promise.reject(new QmpTimeout('query-status', 5_000)))
  await looks(instance, 20, () => usage.requests++)
  assert.equal(asked(), 2)
  assert.equal(failures.length, 1)
  assert.ok(failures[0] instanceof MicroVmHangs)
})

test('one that answers late, as it seems to a process that was stopped itself, is asked again and lives', async () => {
  let times = 0
  const { instance, failures } = busy(async () => {
    if (times++ % 2 === 0) throw new QmpTimeout('query-status', 5_000)
    return {}
  })
  await looks(instance, 20)
  assert.ok(times >= 4)
  assert.deepEqual(failures, [])
})

test('one that has ended is no hang', async () => {
  const { instance, failures } = busy(() => Promise.reject(new QmpClosed()))
  await looks(instance, 20)
  assert.deepEqual(failures, [])
})

/** `change` is made before each look. */
const asksNothing = async (change: (of: ReturnType<typeof busy>) => void) => {
  const one = busy(async () => ({}))
  change(one)
  await looks(one.instance, 20, () => change(one))
  assert.equal(one.asked(), 0)
}

test('what sleeps, what has no request and what sends bytes is not asked', async () => {
  await asksNothing(({ instance }) => Object.assign(instance, { state: 'parked' }))
  await asksNothing(({ usage }) => Object.assign(usage, { inFlight: 0 }))
  await asksNothing(({ usage }) => void usage.egressBytes++)
})
