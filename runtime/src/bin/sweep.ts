import { dirname } from 'node:path'
import { readRoleConfig } from '../core/config.ts'
import { HostConfig } from '../host/config.ts'
import { sweepHost } from '../host/sweep.ts'
import { endRemains } from './up/remains.ts'

// `little down` after a crash: ends the roles that a killed supervisor left, then what its host agent left.
const config = readRoleConfig(HostConfig)
await endRemains(dirname(config.dataDir))
console.log(JSON.stringify(await sweepHost(config)))
