/** One fact about this machine or its cloud. `next` is what to do about it, as one line. */
export interface Finding {
  name: string
  level: 'ok' | 'warn' | 'fail'
  fact: string
  next?: string
}

export const ok = (name: string, fact: string): Finding => ({ name, level: 'ok', fact })
export const warn = (name: string, fact: string, next: string): Finding => ({ name, level: 'warn', fact, next })
export const fail = (name: string, fact: string, next: string): Finding => ({ name, level: 'fail', fact, next })

export type Check = () => Promise<Finding[]> | Finding[]

/** All checks' findings in their order. A check that throws is a finding itself, never the end of the others. */
export async function findings(checks: Check[]): Promise<Finding[]> {
  const all = await Promise.all(
    checks.map(async (check) => {
      try {
        return await check()
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        return [fail(check.name, `could not be checked: ${message}`, 'Please report this as a bug of little doctor')]
      }
    }),
  )
  return all.flat()
}
