import { join } from 'node:path'
import type { z } from 'zod'
import { Bucket } from './bucket.ts'
import { CachedBucket } from './cached-bucket.ts'
import type { Cluster } from './connect.ts'
import type { BucketName } from './subjects.ts'

/** For the metrics: how long that has been; of state that was never seen, how long this process has waited for it. */
export function staleSeconds(staleSince: number | undefined): number {
  if (staleSince === undefined) return 0
  return staleSince === 0 ? process.uptime() : (Date.now() - staleSince) / 1000
}

/** Several buckets that are followed together, from their last state in a folder on. */
export class Following implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly #dir: string
  readonly #open: CachedBucket<unknown>[] = []

  constructor(cluster: Cluster, dir: string) {
    this.#cluster = cluster
    this.#dir = dir
  }

  /** `onChange` gets the key of each change; the value is in the bucket already. */
  async bucket<Schema extends z.ZodType>(
    name: BucketName,
    schema: Schema,
    onChange: (key: string) => void,
  ): Promise<CachedBucket<z.output<Schema>>> {
    const bucket = await CachedBucket.open(
      new Bucket<z.output<Schema>>(this.#cluster, name, schema as z.ZodType<z.output<Schema>>),
      {
        file: join(this.#dir, `${name}.json`),
        onChange: ({ key }) => onChange(key),
      },
    )
    this.#open.push(bucket as CachedBucket<unknown>)
    return bucket
  }

  /** Those of which nothing was ever seen, not even on disk. */
  get unseen(): CachedBucket<unknown>[] {
    return this.#open.filter(({ staleSince }) => staleSince === 0)
  }

  /** Since when changes of any of them may be missing, ms since the epoch; 0: of one nothing was ever seen. */
  get staleSince(): number | undefined {
    const stale = this.#open.flatMap(({ staleSince }) => staleSince ?? [])
    return stale.length > 0 ? Math.min(...stale) : undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((bucket) => bucket.close()))
  }
}
