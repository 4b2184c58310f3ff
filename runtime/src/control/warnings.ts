import type { RoleMetrics } from '../cluster/metrics.ts'
import type { Chains } from '../model/cost.ts'

/** Roles that go on from what they knew last, because NATS does not tell them more. */
export const staleWarnings = (roles: RoleMetrics[]): string[] =>
  roles.flatMap(({ role, name, text }) => {
    const seconds = Number(/^little_[a-z]+_stale_seconds (\S+)$/m.exec(text)?.[1] ?? 0)
    return seconds > 0 ? [`${role} ${name} has gone on from its last known state for ${Math.round(seconds)} s`] : []
  })

/** What billing found wrong with the usage of a node; little verify usage shows the records. */
export const chainWarnings = ({ chains, waiting }: Chains): string[] => [
  ...chains.flatMap(({ node, missing, broken, refused }) => [
    ...(missing > 0 ? [`${missing} usage records of ${node} never came`] : []),
    ...(broken > 0 ? [`${broken} usage records of ${node} do not continue its chain`] : []),
    ...(refused > 0 ? [`${refused} usage records were refused: ${node} has not signed them`] : []),
  ]),
  ...(waiting > 0 ? [`${waiting} messages with usage wait for the key of their node`] : []),
]
