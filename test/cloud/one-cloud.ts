import { after, before } from 'node:test'
import { startCloud, type TestCloud } from '../harness/cloud.ts'

/** The cloud that all tests of a file share: there before the first of them, gone without a trace after the last. */
export let cloud: TestCloud

before(async () => {
  cloud = await startCloud()
})
after(() => cloud?.down())
