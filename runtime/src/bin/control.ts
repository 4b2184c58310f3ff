import { ControlConfig } from '../control/config.ts'
import { startControl } from '../control/control.ts'
import { readRoleConfig } from '../core/config.ts'
import { createLog } from '../core/log.ts'

const log = createLog('control')
const config = await readRoleConfig(ControlConfig)
const control = await startControl(config, log)
process.send?.('ready')

const stop = () => {
  log.info('the control ends')
  void control[Symbol.asyncDispose]().then(() => process.exit(0))
}
process.once('SIGTERM', stop).once('SIGINT', stop)
