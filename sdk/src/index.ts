export { Client, type ClientOptions } from './client.ts'
export { LittleCloudError } from './errors.ts'
export type { ExecSession } from './exec.ts'
export type * from './types.ts'
