import { z } from 'zod'
import { Bucket } from '../cluster/bucket.ts'
import type { Cluster } from '../cluster/connect.ts'
import { Placement } from '../cluster/placement.ts'
import { App } from '../model/app.ts'
import { Node } from '../model/node.ts'
import { Release } from '../model/release.ts'
import { SealedSecrets } from '../model/secrets.ts'
import { Token } from './tokens.ts'

export type State = ReturnType<typeof openState>

/** The desired state that the control writes (all but `nodes`, which say it of themselves). */
export const openState = (cluster: Cluster) => ({
  apps: new Bucket(cluster, 'apps', App),
  releases: new Bucket(cluster, 'releases', Release),
  secrets: new Bucket(cluster, 'secrets', SealedSecrets),
  placements: new Bucket(cluster, 'placements', Placement),
  nodes: new Bucket(cluster, 'nodes', Node),
  /** hostname → `team.app` */
  hostnames: new Bucket(cluster, 'hostnames', z.string()),
  /** port of the edges → `team.app` */
  hostports: new Bucket(cluster, 'hostports', z.string()),
  tokens: new Bucket(cluster, 'tokens', Token),
})
