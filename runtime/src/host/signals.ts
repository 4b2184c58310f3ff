import { constants } from 'node:os'

/** `SIGINT`, `INT` or `2` as a number; an image may name its stop signal in any of these ways. */
export function stopSignalNumber(name: string): number {
  if (/^\d+$/.test(name)) return Number(name)
  const full = name.startsWith('SIG') ? name : `SIG${name}`
  return constants.signals[full as NodeJS.Signals] ?? constants.signals.SIGTERM
}
