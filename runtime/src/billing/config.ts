import { z } from 'zod'
import { NatsConfig } from '../cluster/connect.ts'

export const BillingConfig = z.object({
  nats: NatsConfig,
  /** Holds the read model, which may be deleted and is then rebuilt. */
  dataDir: z.string(),
})
export type BillingConfig = z.infer<typeof BillingConfig>
