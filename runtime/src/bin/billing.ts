import { startBilling } from '../billing/billing.ts'
import { BillingConfig } from '../billing/config.ts'
import { readRoleConfig } from '../core/config.ts'
import { createLog } from '../core/log.ts'
import { runRole } from './role-process.ts'

await runRole('billing', async () => {
  const billing = await startBilling(readRoleConfig(BillingConfig), createLog('billing'))
  return () => billing[Symbol.asyncDispose]()
})
