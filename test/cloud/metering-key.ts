import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Bucket } from '../../runtime/src/cluster/bucket.ts'
import { Cluster } from '../../runtime/src/cluster/connect.ts'
import { list } from '../../runtime/src/cluster/list.ts'
import { prepareNatsServer } from '../../runtime/src/cluster/nats-server.ts'
import { Node } from '../../runtime/src/model/node.ts'

/** The public key that the cloud's one node has announced. */
export async function nodeKey(dataDir: string): Promise<string> {
  const { natsPort } = JSON.parse(readFileSync(join(dataDir, 'cloud.json'), 'utf8')) as { natsPort: number }
  const { config } = await prepareNatsServer({ dir: join(dataDir, 'nats'), port: natsPort })
  await using cluster = Cluster.open(config, { name: 'test' })
  const [node] = await list(new Bucket(cluster, 'nodes', Node), '*')
  if (!node) throw new Error('no node has announced itself')
  return node.value.publicKey
}
