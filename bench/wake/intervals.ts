import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Cluster } from '../../runtime/src/cluster/connect.ts'
import { prepareNatsServer } from '../../runtime/src/cluster/nats-server.ts'
import { read } from '../../runtime/src/cluster/stream.ts'
import { UsageRecord } from '../../runtime/src/model/usage.ts'

/** All usage records of a cloud: their starts and ends are QEMU's own RESUME and STOP events. */
export async function usageRecords(dataDir: string): Promise<UsageRecord[]> {
  const { natsPort } = JSON.parse(readFileSync(join(dataDir, 'cloud.json'), 'utf8')) as { natsPort: number }
  const { config } = await prepareNatsServer({ dir: join(dataDir, 'nats'), port: natsPort })
  await using cluster = Cluster.open(config, { name: 'bench' })
  const records: UsageRecord[] = []
  const options = {
    stream: 'USAGE',
    filter: 'usage.>',
    schema: z.array(UsageRecord),
    start: { at: 'first' },
    follow: false,
  } as const
  for await (const { value } of read(cluster, options)) records.push(...value)
  return records
}

/** QEMU's wall clock and the client's differ by their rounding, and by what NTP did in between. */
const clockSlackUs = 500

/** Whether the instance was stopped when the client began, and ran again only after that. */
export function wasAsleep(
  beganUs: number,
  firstByteMs: number,
  intervals: { startUs: number; endUs: number }[],
): boolean {
  const endedUs = beganUs + firstByteMs * 1000
  const serving = intervals.find(
    ({ startUs, endUs }) => startUs <= endedUs + clockSlackUs && endUs >= endedUs - clockSlackUs,
  )
  if (!serving || serving.startUs < beganUs - clockSlackUs) return false
  return intervals.every(({ startUs, endUs }) => endUs < beganUs || startUs >= beganUs - clockSlackUs)
}
