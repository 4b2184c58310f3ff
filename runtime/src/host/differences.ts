/** What one instance has on this machine, besides its memory. */
export interface Belongings {
  id: string
  tap: string
  address: string
  /** Of QEMU's launcher; an instance that is suspended has none. */
  launcherPid: number | undefined
}

/** What should be. */
export interface Wanted {
  instances: Belongings[]
  /** Ids of instances that are being made or taken away: theirs is nobody's business here. */
  busy: ReadonlySet<string>
  /** Taps of those, and of templates being built. */
  busyTaps: ReadonlySet<string>
}

/** What the kernel and the disk have of this node's own, whoever made it. */
export interface Found {
  /** By the name of their folder. */
  launchers: { id: string; pid: number }[]
  folders: string[]
  taps: string[]
  /** Undefined where the machine has no control groups. */
  groups: string[] | undefined
  /** Addresses that the host has a way to. */
  routes: ReadonlySet<string>
}

export interface Difference {
  kind:
    | 'stray process'
    | 'stray folder'
    | 'stray link'
    | 'stray group'
    | 'lost process'
    | 'lost link'
    | 'lost route'
    | 'lost group'
  /** Of an instance; of a stray link its name. */
  id: string
  /** Of a stray process' launcher. */
  pid?: number
}

/** Compares the two. A difference may be one of this moment only: it counts when it is found twice. */
export function differences(wanted: Wanted, found: Found): Difference[] {
  const known = new Set(wanted.instances.map(({ id }) => id))
  const stray = (id: string) => !known.has(id) && !wanted.busy.has(id)
  const ownTaps = new Set(wanted.instances.map(({ tap }) => tap))
  const launcherOf = new Map(wanted.instances.map(({ id, launcherPid }) => [id, launcherPid]))
  const all: Difference[] = [
    // Also a second one of the same instance: it would keep the instance's tap and disk from the next.
    ...found.launchers
      .filter(({ id, pid }) => !wanted.busy.has(id) && launcherOf.get(id) !== pid)
      .map(({ id, pid }) => ({ kind: 'stray process' as const, id, pid })),
    ...found.folders.filter(stray).map((id) => ({ kind: 'stray folder' as const, id })),
    ...found.taps
      .filter((tap) => !ownTaps.has(tap) && !wanted.busyTaps.has(tap))
      .map((id) => ({ kind: 'stray link' as const, id })),
    ...(found.groups ?? []).filter(stray).map((id) => ({ kind: 'stray group' as const, id })),
  ]
  const pids = new Set(found.launchers.map(({ pid }) => pid))
  const taps = new Set(found.taps)
  const groups = found.groups && new Set(found.groups)
  for (const { id, tap, address, launcherPid } of wanted.instances) {
    if (wanted.busy.has(id)) continue
    if (launcherPid !== undefined && !pids.has(launcherPid)) all.push({ kind: 'lost process', id })
    if (!taps.has(tap)) all.push({ kind: 'lost link', id })
    else if (!found.routes.has(address)) all.push({ kind: 'lost route', id })
    if (groups && launcherPid !== undefined && !groups.has(id)) all.push({ kind: 'lost group', id })
  }
  return all
}
