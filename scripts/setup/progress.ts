/** What a step of the set-up tells the person; one short line each. */
export type Progress = (line: string) => void

const startedAt = performance.now()
const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s`

/** Runs one step. A step that finds nothing to do says nothing, so that the second set-up is silent. */
export async function step<T>(name: string, work: (progress: Progress) => Promise<T>): Promise<T> {
  let spoke = false
  const result = await work((line) => {
    spoke = true
    console.error(`${seconds()}  ${name.padEnd(12)} ${line}`)
  })
  if (spoke) console.error(`${seconds()}  ${name.padEnd(12)} done`)
  return result
}
