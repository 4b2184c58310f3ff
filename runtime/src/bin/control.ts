import { ControlConfig } from '../control/config.ts'
import { startControl } from '../control/control.ts'
import { readRoleConfig } from '../core/config.ts'
import { createLog } from '../core/log.ts'
import { runRole } from './role-process.ts'

await runRole('control', async () => {
  const control = await startControl(readRoleConfig(ControlConfig), createLog('control'))
  return () => control[Symbol.asyncDispose]()
})
