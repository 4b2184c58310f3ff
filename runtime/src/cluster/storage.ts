import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'
import { z } from 'zod'
import { LittleError } from '../core/errors.ts'
import { Bucket } from './bucket.ts'
import type { Cluster } from './connect.ts'
import { ClusterRefused } from './errors.ts'
import { buckets, type StreamName, streams } from './subjects.ts'

/** Afterwards every stream and bucket of the table in subjects.ts exists; harmless to repeat, by any role. */
export async function ensureStorage(cluster: Cluster, deadlineMs = 10_000): Promise<void> {
  const nats = await cluster.connection('the streams', deadlineMs)
  try {
    await cluster.unlessLost('the streams', ensureAll(cluster, nats, deadlineMs))
  } catch (error) {
    throw error instanceof LittleError ? error : new ClusterRefused('the streams', error as Error)
  }
}

async function ensureAll(cluster: Cluster, nats: NatsConnection, deadlineMs: number): Promise<void> {
  const manager = await jetstreamManager(nats)
  for (const name of Object.keys(streams) as StreamName[]) await ensureStream(manager, name)
  for (const name of buckets) await new Bucket(cluster, name, z.unknown()).ensure(deadlineMs)
}

async function ensureStream(manager: JetStreamManager, name: StreamName): Promise<void> {
  const limits: { subjects: readonly string[]; maxAgeMs?: number } = streams[name]
  const config = {
    subjects: [...limits.subjects],
    // Long enough for a sender that was cut off to repeat itself; NATS keeps each id in memory for as long.
    duplicate_window: nanos(2 * 60_000),
    max_age: nanos(limits.maxAgeMs ?? 0),
  }
  try {
    await manager.streams.info(name)
    await manager.streams.update(name, config)
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)) throw error
    await manager.streams.add({ name, ...config })
  }
}
