import { describe } from 'node:test'
import { limits } from './life-limits.ts'
import { streams } from './life-streams.ts'

// Together, since some of them do little but wait.
describe('requests', { concurrency: true }, () => {
  limits()
  streams()
})
