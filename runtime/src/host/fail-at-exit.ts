import type { Instance } from './instance.ts'
import type { LastLines } from './last-lines.ts'
import { AppCrashed, OutOfMemory } from './start-errors.ts'

/** The last lines of a program that has ended may still be on their way. */
const lastLinesMs = 50

/** An instance whose program ends is broken, and its last lines say why. */
export function failAtExit(instance: Instance, lastLines: LastLines) {
  const { memoryMib } = instance.record
  instance.eachVm(({ guest }) =>
    guest.on('exited', ({ code, signal, outOfMemory }) => {
      const end = signal > 0 ? `signal ${signal}` : `exit code ${code}`
      const why = () => (outOfMemory ? new OutOfMemory(memoryMib) : new AppCrashed(end, lastLines.lines))
      setTimeout(() => instance.fail(why()), lastLinesMs)
    }),
  )
}
