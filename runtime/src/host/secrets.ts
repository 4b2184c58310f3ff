import { Bucket } from '../cluster/bucket.ts'
import { CachedBucket } from '../cluster/cached-bucket.ts'
import type { Cluster } from '../cluster/connect.ts'
import { keys } from '../cluster/subjects.ts'
import type { Release } from '../model/release.ts'
import { openEnv, openSecrets, SealedSecrets } from '../model/secrets.ts'

/** Between a release's number being taken and its secrets being here lie some ms; a loaded cluster may need longer. */
const certainAfterMs = 10_000

/** The secrets of releases, kept on disk as sealed as they come: instances start while NATS is away, too. */
export class Secrets implements AsyncDisposable {
  readonly #bucket: Bucket<SealedSecrets>
  readonly #cached: CachedBucket<SealedSecrets>
  readonly #clusterKey: Buffer

  static async open(cluster: Cluster, clusterKey: Buffer, file: string): Promise<Secrets> {
    const bucket = new Bucket(cluster, 'secrets', SealedSecrets)
    return new Secrets(bucket, await CachedBucket.open(bucket, { file, onChange: () => {} }), clusterKey)
  }

  private constructor(bucket: Bucket<SealedSecrets>, cached: CachedBucket<SealedSecrets>, clusterKey: Buffer) {
    this.#bucket = bucket
    this.#cached = cached
    this.#clusterKey = clusterKey
  }

  /** `NAME=value` of the release's own environment, then of its secrets. Throws what the bucket throws if it cannot be known whether there are any. */
  async of({
    team,
    app,
    number,
    createdAt,
    sealedEnv,
  }: Pick<Release, 'team' | 'app' | 'number' | 'createdAt' | 'sealedEnv'>): Promise<string[]> {
    const key = keys.release(team, app, number)
    const sealed = this.#cached.value(key) ?? (await this.#ask(key, createdAt))
    const env = openEnv(this.#clusterKey, key, sealedEnv)
    return sealed ? [...env, ...openSecrets(this.#clusterKey, key, sealed)] : env
  }

  /** They are written once, with their release: who saw later writes than that has seen them, or there are none. */
  async #ask(key: string, createdAt: number): Promise<SealedSecrets | undefined> {
    const seenUntil = this.#cached.staleSince ?? Date.now()
    if (seenUntil > createdAt + certainAfterMs) return undefined
    return (await this.#bucket.get(key))?.value
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cached.close()
  }
}
