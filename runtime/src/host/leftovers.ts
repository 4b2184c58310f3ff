import type { Logger } from '../core/log.ts'
import type { TemplateStore } from '../template/store.ts'
import type { Fleet } from './fleet.ts'
import type { ImageCache } from './image-cache.ts'

/** Whoever goes back to a release within the hour finds everything as it was. */
const graceMs = 3_600_000
const lookEveryMs = 600_000

type Images = Pick<ImageCache, 'list' | 'forget'>
type Templates = Pick<TemplateStore, 'list' | 'forget' | 'keyOf'>

/**
 * Images and templates that no release and no instance of this node refers to: after an hour they are taken off its disk
 * and out of its memory. Both can be had again, only slower. Templates of an earlier QEMU or kernel are among them.
 */
export class Leftovers implements Disposable {
  readonly #fleet: Pick<Fleet, 'apps'>
  readonly #images: Images
  readonly #templates: Templates
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  /** Since when nobody has needed it. */
  readonly #since = new Map<string, number>()

  constructor(
    fleet: Pick<Fleet, 'apps'>,
    { images, templates, log }: { images: Images; templates: Templates; log: Logger },
  ) {
    this.#fleet = fleet
    this.#images = images
    this.#templates = templates
    this.#log = log
    const look = () =>
      this.look(Date.now()).catch((error: unknown) => log.error(error, 'leftovers stay where they are'))
    this.#timer = setInterval(look, lookEveryMs)
  }

  async look(now: number): Promise<void> {
    const [images, templates] = [await this.#images.list(), await this.#templates.list()]
    for (const image of this.#overdue(images, this.#used.images, now)) {
      if (this.#used.images.has(image)) continue // placed while another one was being removed
      this.#log.info({ image }, 'an image that nobody refers to is removed')
      await this.#images.forget(image)
    }
    for (const template of this.#overdue(templates, this.#used.templates, now)) {
      if (this.#used.templates.has(template)) continue
      this.#log.info({ template }, 'a template that nobody refers to is removed')
      await this.#templates.forget(template)
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  get #used(): { images: ReadonlySet<string>; templates: ReadonlySet<string> } {
    const made = [...this.#fleet.apps].flatMap(({ wanted, instances }) => {
      const releases = [...(wanted?.ready ?? []), ...(wanted?.kept ? [wanted.kept.release] : [])]
      return [
        ...releases.map(({ image: { digest }, memoryMib, cpus }) => ({ digest, memoryMib, cpus })),
        ...instances.map(({ record: { digest, memoryMib, vcpus: cpus } }) => ({ digest, memoryMib, cpus })),
      ]
    })
    return {
      images: new Set(made.map(({ digest }) => digest)),
      templates: new Set(made.map((one) => this.#templates.keyOf(one))),
    }
  }

  #overdue<T extends string>(there: T[], used: ReadonlySet<string>, now: number): T[] {
    for (const name of there) {
      if (used.has(name)) this.#since.delete(name)
      else if (!this.#since.has(name)) this.#since.set(name, now)
    }
    const overdue = there.filter((name) => now - (this.#since.get(name) ?? now) >= graceMs)
    for (const name of overdue) this.#since.delete(name)
    return overdue
  }
}
