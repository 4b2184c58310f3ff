import type { Bucket, Entry } from './bucket.ts'
import { loadState, type SavedState, saveState } from './state-file.ts'
import { BucketWatch, type Change } from './watch.ts'

export interface CachedBucketOptions<T> {
  /** Where the last state is kept. */
  file: string
  onChange: (change: Change<T>) => void
}

/** Changes are gathered this long before they are written: a deploy touches several keys at once. */
const saveAfterMs = 200

/**
 * A bucket's content that survives NATS: it starts from the last state on disk at once, without waiting for NATS, and
 * says how old that is. What an edge and a host agent need to go on.
 */
export class CachedBucket<T> implements AsyncDisposable {
  readonly #bucket: Bucket<T>
  readonly #file: string
  readonly #watch: BucketWatch<T>
  #timer: NodeJS.Timeout | undefined
  #saving = Promise.resolve()

  static async open<T>(bucket: Bucket<T>, options: CachedBucketOptions<T>): Promise<CachedBucket<T>> {
    const saved = await loadState(options.file)
    if (saved === 'damaged') bucket.cluster.log?.error({ file: options.file }, 'damaged state is ignored')
    return new CachedBucket(bucket, options, typeof saved === 'string' ? undefined : saved)
  }

  private constructor(bucket: Bucket<T>, { file, onChange }: CachedBucketOptions<T>, saved: SavedState | undefined) {
    this.#bucket = bucket
    this.#file = file
    this.#watch = new BucketWatch(bucket, {
      ...(saved && { known: { entries: readable(bucket, saved), staleSince: saved.savedAt } }),
      onChange: (change) => {
        onChange(change)
        this.#saveSoon()
      },
      onSynced: () => this.#saveSoon(), // so that "stale since" is right even if nothing changes
    })
  }

  get entries(): ReadonlyMap<string, Entry<T>> {
    return this.#watch.entries
  }

  value(key: string): T | undefined {
    return this.#watch.value(key)
  }

  /** undefined while every change arrives; else since when changes may be missing, ms since the epoch; 0: nothing was ever seen. */
  get staleSince(): number | undefined {
    return this.#watch.staleSince
  }

  /** Resolves once NATS itself confirmed the entries; throws ClusterAway after the deadline. */
  ready(deadlineMs?: number): Promise<void> {
    return this.#watch.ready(deadlineMs)
  }

  /** The last state is on disk afterwards. */
  async close(): Promise<void> {
    await this.#watch.stop()
    if (this.#timer) this.#save()
    await this.#saving
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #saveSoon(): void {
    this.#timer ??= setTimeout(() => this.#save(), saveAfterMs)
  }

  #save(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const entries = [...this.entries.values()]
    const revision = Math.max(0, ...entries.map((entry) => entry.revision))
    const state = { savedAt: this.staleSince ?? Date.now(), revision, entries }
    const failed = (error: unknown) => this.#bucket.cluster.log?.error({ error: String(error) }, 'state is not saved')
    this.#saving = this.#saving.then(() => saveState(this.#file, state)).catch(failed)
  }
}

/** The entries that fit today's schema: an upgrade may have left others behind. */
function readable<T>(bucket: Bucket<T>, saved: SavedState): Entry<T>[] {
  return (saved.entries as Entry<unknown>[]).flatMap(({ key, value, revision }) => {
    const parsed = bucket.schema.safeParse(value)
    if (!parsed.success) bucket.cluster.log?.error({ key, bucket: bucket.name }, 'saved value is unreadable')
    return parsed.success ? [{ key, value: parsed.data, revision }] : []
  })
}
