/** The memory of a node that instances may use, MiB. */
export interface Memory {
  budgetMib: number
  /** By instances (measured; those that are starting count in full) and by the templates they share. */
  usedMib: number
  /** What the machine itself has left for any program. */
  availableMib: number
}

/** Left for everything else on the machine, whatever the budget says. */
export const keptFreeMib = 512

/** What instances may use if nobody says otherwise: the cloud's own processes and the system need the rest. */
export const defaultBudgetMib = (machineMib: number) => Math.floor(machineMib - Math.max(1_024, machineMib / 8))

/** How much has to be given up before `wantedMib` more can be had; 0: there is room. */
export const shortMib = ({ budgetMib, usedMib, availableMib }: Memory, wantedMib = 0) =>
  Math.max(0, usedMib + wantedMib - budgetMib, wantedMib + keptFreeMib - availableMib)

/** An instance that sleeps, and how likely it is to be asked. */
export interface Sleeper {
  ownMib: number
  likelihood: number
}

/** The least likely ones that together give up as much; all of them if that is not enough. */
export function toDemote<T extends Sleeper>(parked: readonly T[], neededMib: number): T[] {
  const chosen: T[] = []
  let givenUp = 0
  for (const sleeper of parked.toSorted((a, b) => a.likelihood - b.likelihood)) {
    if (givenUp >= neededMib) break
    chosen.push(sleeper)
    givenUp += sleeper.ownMib
  }
  return chosen
}

/** Of the budget; what is brought back must not be what pressure takes away again a moment later. */
const promoteUpTo = 0.85
/** Wakes expected in the next hour. Below, bringing it back costs more than it saves. */
const worthPromoting = 0.1

/** The likeliest of those on disk that memory has room for, if it is likely at all. */
export function toPromote<T extends Sleeper>(suspended: readonly T[], memory: Memory): T | undefined {
  const roomy = { ...memory, budgetMib: memory.budgetMib * promoteUpTo }
  return suspended
    .filter(({ likelihood, ownMib }) => likelihood >= worthPromoting && shortMib(roomy, ownMib) === 0)
    .toSorted((a, b) => b.likelihood - a.likelihood)[0]
}
