import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { z } from 'zod'
import type * as api from '../../runtime/src/control/api/schema.ts'
import type { Live as ApiLive, DeployEvent } from '../../runtime/src/control/deploy/steps.ts'
import type { LogLineSchema } from '../../runtime/src/control/logs.ts'
import type { Top as ApiTop } from '../../runtime/src/control/top.ts'
import type { CostRow as ApiCostRow } from '../../runtime/src/model/cost.ts'
import type * as sdk from './types.ts'

/** Compiles only if what the cloud answers is what the client says it gets, and what it sends is taken. */
type Fits<Given extends Wanted, Wanted> = Given

type Answers = [
  Fits<z.infer<typeof api.AppView>, sdk.AppView>,
  Fits<z.infer<typeof api.ReleaseView>, sdk.ReleaseView>,
  Fits<z.infer<typeof api.InstanceView>, sdk.InstanceView>,
  Fits<z.infer<typeof api.Status>, sdk.Status>,
  Fits<z.infer<typeof api.WhoAmI>, sdk.WhoAmI>,
  Fits<z.infer<typeof api.Upload>, sdk.Upload>,
  Fits<z.infer<typeof ApiCostRow>, sdk.CostRow>,
  Fits<z.infer<typeof LogLineSchema>, sdk.LogLine>,
  Fits<DeployEvent | ApiLive, sdk.DeployStep>,
  Fits<ApiTop, sdk.Top>,
]
type Questions = [Fits<sdk.DeployRequest, z.input<typeof api.DeployRequest>>]

test('the types of the sdk are those of the API (checked by the compiler)', () => {
  assert.equal<Answers['length']>(10, 10)
  assert.equal<Questions['length']>(1, 1)
})
