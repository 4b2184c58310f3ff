import { LittleError } from '../core/errors.ts'

export class NoAddressLeft extends LittleError {
  readonly code = 'network.no_address_left'
  readonly status = 503
  readonly hint = 'Start the host agent again, or give this node a larger subnet'
  constructor(subnet: string) {
    super(`no address of ${subnet} may be given out: an address is never used by two teams in one agent's life`)
  }
}

export class NetworkRefused extends LittleError {
  readonly code = 'network.refused'
  readonly status = 500
  readonly hint = 'The host agent needs root, nftables, iproute2 and /dev/net/tun: check them with little doctor'
}
