import type { DatabaseSync } from 'node:sqlite'
import type { CostAudit, CostQuery, CostRow } from '../model/cost.ts'
import { defaultPrices, type Prices, priceOf } from '../model/price.ts'

const msPerHour = 3_600_000
/** The columns that make a row of their own. `at` is in hours since the epoch. */
const groups = {
  app: 'team, app, NULL AS at, kind',
  team: 'team, NULL AS app, NULL AS at, kind',
  hour: 'team, app, hour AS at, kind',
  day: 'team, app, hour / 24 * 24 AS at, kind',
} as const

/** What was used and what it costs, one row for each app (or team, hour, day) and kind. */
export function cost(database: DatabaseSync, query: CostQuery, prices: Prices = defaultPrices): CostRow[] {
  const statement = database.prepare(`
    SELECT ${groups[query.by]}, SUM(run_us) AS runUs, SUM(vcpu_us) AS vcpuUs, SUM(mib_us) AS mibUs,
      SUM(egress_bytes) AS egressBytes, SUM(requests) AS requests
    FROM hours
    WHERE (:team IS NULL OR team = :team) AND (:app IS NULL OR app = :app) AND hour BETWEEN :first AND :last
    GROUP BY 1, 2, 3, 4 ORDER BY 3, 1, 2, 4 DESC`)
  statement.setReadBigInts(true)
  const rows = statement.all({
    team: query.team ?? null,
    app: query.app ?? null,
    first: Math.floor((query.fromMs ?? 0) / msPerHour),
    last: Math.floor((query.toMs ?? Number.MAX_SAFE_INTEGER) / msPerHour),
  })
  return (rows as unknown as Row[]).map((row) => toCost(row, prices))
}

/** The costs with what somebody needs who counts them again from the records. */
export function audit(database: DatabaseSync, position: number, query: CostQuery, prices = defaultPrices): CostAudit {
  const { perVcpuHour, perGibHour, perEgressGb } = prices
  const texts = { perVcpuHour: `${perVcpuHour}`, perGibHour: `${perGibHour}`, perEgressGb: `${perEgressGb}` }
  return { position, rows: cost(database, query, prices), prices: texts }
}

interface Row {
  team: string
  app: string | null
  at: bigint | null
  kind: CostRow['kind']
  runUs: bigint
  vcpuUs: bigint
  mibUs: bigint
  egressBytes: bigint
  requests: bigint
}

function toCost(row: Row, prices: Prices): CostRow {
  return {
    team: row.team,
    ...(row.app !== null && { app: row.app }),
    ...(row.at !== null && { atMs: Number(row.at) * msPerHour }),
    kind: row.kind,
    runMs: Number(row.runUs) / 1000,
    vcpuMs: Number(row.vcpuUs) / 1000,
    mibMs: Number(row.mibUs) / 1000,
    egressBytes: Number(row.egressBytes),
    requests: Number(row.requests),
    microcredits: String(row.kind === 'prepare' ? 0n : priceOf(row, prices)),
  }
}
