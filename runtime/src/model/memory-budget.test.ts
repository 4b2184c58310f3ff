import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBudgetMib, type Memory, shortMib, toDemote, toPromote } from './memory-budget.ts'

const roomy: Memory = { budgetMib: 1_000, usedMib: 400, availableMib: 10_000 }
const sleeper = (name: string, likelihood: number, ownMib = 20) => ({ name, likelihood, ownMib })
const names = (sleepers: { name: string }[]) => sleepers.map(({ name }) => name)

test('while the budget has room nothing has to be given up', () => {
  assert.equal(shortMib(roomy), 0)
  assert.equal(shortMib(roomy, 600), 0)
  assert.equal(shortMib(roomy, 601), 1)
})

test('a machine that is short itself has to be relieved, whatever the budget says', () => {
  assert.equal(shortMib({ ...roomy, availableMib: 500 }), 12)
  assert.equal(shortMib({ ...roomy, availableMib: 600 }, 100), 12)
})

test('the least likely go first, and no more than needed', () => {
  const parked = [sleeper('often', 9), sleeper('never', 0), sleeper('seldom', 1)]
  assert.deepEqual(names(toDemote(parked, 20)), ['never'])
  assert.deepEqual(names(toDemote(parked, 21)), ['never', 'seldom'])
  assert.deepEqual(names(toDemote(parked, 1_000)), ['never', 'seldom', 'often'])
  assert.deepEqual(toDemote(parked, 0), [])
})

test('the likeliest comes back first, if it is likely at all and leaves room', () => {
  assert.equal(toPromote([sleeper('seldom', 1), sleeper('often', 9)], roomy)?.name, 'often')
  assert.equal(toPromote([sleeper('never', 0)], roomy), undefined)
  assert.equal(toPromote([sleeper('large', 9, 500), sleeper('small', 1, 10)], roomy)?.name, 'small')
  assert.equal(toPromote([sleeper('often', 9)], { ...roomy, usedMib: 900 }), undefined, 'it would soon go again')
})

test('the default leaves at least a GiB, and an eighth of large machines', () => {
  assert.equal(defaultBudgetMib(4_096), 3_072)
  assert.equal(defaultBudgetMib(65_536), 57_344)
})
