import { LittleError } from '../core/errors.ts'
import { type TeamId, teamId } from '../core/ids.ts'
import type { Node } from './node.ts'

/** The team that is made at the first start; it owns the cloud's machines. */
export const ownerTeam: TeamId = teamId('main')

/** Emulation is no wall against strangers: an emulated node runs its owner's programs alone, unless its operator wants others. */
export const admits = (node: Pick<Node, 'isolation' | 'foreignOnEmulated'>, team: TeamId): boolean =>
  team === ownerTeam || node.isolation === 'hardware' || node.foreignOnEmulated

export class ForeignOnEmulated extends LittleError {
  readonly code = 'placement.foreign_on_emulated'
  readonly status = 403
  readonly hint =
    'Use a machine where KVM works. Its operator may decide otherwise: little up --allow-foreign-on-emulated'
  constructor(team: TeamId) {
    super(
      `isolation is emulated here, which is no security boundary, so only the owner's team (${ownerTeam}) may run programs, not ${team}`,
    )
  }
}
