import { join } from 'node:path'
import type { z } from 'zod'
import { Bucket } from './bucket.ts'
import { CachedBucket } from './cached-bucket.ts'
import type { Cluster } from './connect.ts'
import type { BucketName } from './subjects.ts'

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

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((bucket) => bucket.close()))
  }
}
