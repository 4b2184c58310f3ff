import { setTimeout as delay } from 'node:timers/promises'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import { startCloud, type TestCloud } from '../test/harness/cloud.ts'

export interface PressureResult {
  neighbours: number
  keys: number
  suspensions: number
  keys_lost: number
}

const sizes = { full: { neighbours: 300, rounds: 20 }, quick: { neighbours: 6, rounds: 5 } }
const keys = 1_000
const redis = 'keeper'
/** Redis and some four neighbours fit; the others are on the disk, and each that wakes sends another there. */
const fittingMib = 300
const pressedWithinMs = 300_000
/** Redis is asked each round, so those who push it out have to be asked more often than that: more of them than fit. */
const pressingAtLeast = 6

/** A redis without a volume, pushed out of memory again and again by its neighbours: every key is there each time. */
export async function runPressure({
  quick,
  progress,
}: {
  quick: boolean
  progress: (line: string) => void
}): Promise<PressureResult> {
  const { neighbours, rounds } = quick ? sizes.quick : sizes.full
  await using cloud = await startCloud({ memoryBudgetMib: fittingMib })
  await cloud.deploy(redis, { image: await ensureExampleImage('redis'), memoryMib: 128, idleMs: 50 })
  await command(cloud, `for i in $(seq ${keys}); do echo "SET key:$i value-$i-of-${keys}"; done | redis-cli`)
  const digest = await command(cloud, 'redis-cli DEBUG DIGEST')
  const others: string[] = []
  for (let index = 0; index < neighbours; index++) {
    others.push(`neighbour-${index}`)
    await cloud.deploy(others[index]!, { image: await ensureExampleImage('hello'), memoryMib: 128, idleMs: 50 })
    if (index % 20 === 19) progress(`${index + 1} of ${neighbours} neighbours`)
  }
  let keys_lost = 0
  const pressing = Math.max(pressingAtLeast, Math.ceil(neighbours / rounds)) // so that all of them had their turn in the end
  for (let round = 1; round <= rounds; round++) {
    const first = (round - 1) * pressing
    let asked = 0
    for (const until = Date.now() + pressedWithinMs; (await stateOf(cloud)) !== 'suspended'; await delay(50)) {
      if (Date.now() > until) throw new Error(`redis is still in memory: ${await stateOf(cloud)}`)
      const { status } = await cloud.get(others[(first + (asked++ % pressing)) % neighbours]!)
      if (status !== 200) throw new Error(`a neighbour answered ${status}`)
    }
    const [there, now] = (await command(cloud, 'redis-cli DBSIZE; redis-cli DEBUG DIGEST')).split('\n')
    keys_lost += keys - Number(there)
    if (now !== digest) throw new Error(`redis has other values in round ${round}`)
    progress(`suspended ${round} times, ${there} keys`)
  }
  await cloud.down()
  return { neighbours, keys, suspensions: rounds, keys_lost }
}

const stateOf = async (cloud: TestCloud) => (await cloud.instances(redis))[0]?.state

/** What a command inside the redis printed; it wakes it, as any client does. */
async function command({ client }: TestCloud, script: string): Promise<string> {
  let output = ''
  const print = (bytes: Uint8Array) => {
    output += Buffer.from(bytes).toString()
  }
  const session = client.exec(redis, { command: ['sh', '-c', script], stdout: print, stderr: print })
  const code = await session.exited
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${output}`)
  return output.trim()
}
