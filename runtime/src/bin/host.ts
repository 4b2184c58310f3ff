import { readRoleConfig } from '../core/config.ts'
import { createLog } from '../core/log.ts'
import { HostConfig } from '../host/config.ts'
import { createHost } from '../host/host.ts'
import { runRole } from './role-process.ts'

await runRole('host', async () => {
  const config = readRoleConfig(HostConfig)
  const host = await createHost(config, createLog('host', { node: config.node }))
  return () => host[Symbol.asyncDispose]()
})
