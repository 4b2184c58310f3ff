/** How often an app was woken so far, in counts that fade. `atMs`: ms since the epoch, the counts are as of then. */
export interface Habit {
  atMs: number
  /** What goes on now: fades by half in 20 minutes. */
  recent: number
  /** Its schedule: wakes by hour of the day (UTC), 24 of them, fading by half in a week. */
  byHour: readonly number[]
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const recentHalfLifeMs = 20 * 60_000
const scheduleHalfLifeMs = 7 * dayMs

/** Of an app that was never woken. */
export const noHabit: Habit = { atMs: 0, recent: 0, byHour: Array<number>(24).fill(0) }

/** The habit after one more wake. A clock that was set back fades nothing. */
export function woken(habit: Habit, atMs: number): Habit {
  const fade = faded(atMs - habit.atMs, scheduleHalfLifeMs)
  const byHour = habit.byHour.map((count) => count * fade)
  const hour = hourOf(atMs)
  byHour[hour] = (byHour[hour] ?? 0) + 1
  return { atMs, recent: habit.recent * faded(atMs - habit.atMs, recentHalfLifeMs) + 1, byHour }
}

/**
 * Wakes to be expected within the next hour: what goes on now, plus what the same time of the day has brought on other
 * days. A count that fades by half in T settles at rate × T / ln 2, hence the factors.
 */
export function likelihood(habit: Habit, nowMs: number): number {
  const since = nowMs - habit.atMs
  const nowPerHour = (habit.recent * faded(since, recentHalfLifeMs) * Math.LN2 * hourMs) / recentHalfLifeMs
  const intoHour = (nowMs % hourMs) / hourMs
  const hour = hourOf(nowMs)
  const ahead = (habit.byHour[hour] ?? 0) * (1 - intoHour) + (habit.byHour[(hour + 1) % 24] ?? 0) * intoHour
  const scheduled = (ahead * faded(since, scheduleHalfLifeMs) * Math.LN2 * dayMs) / scheduleHalfLifeMs
  return nowPerHour + scheduled
}

const hourOf = (atMs: number) => Math.floor((atMs % dayMs) / hourMs)
const faded = (forMs: number, halfLifeMs: number) => 2 ** (-Math.max(0, forMs) / halfLifeMs)
