import type { Grant } from '../fabric/hold.ts'

/** What a wake took, and where from. */
export type Wake = Grant['timing'] & { from: Grant['from'] }

/** Nothing had to be done. */
export const wasAwake: Wake = { from: 'running', totalMs: 0, resumeMs: 0, clockMs: 0 }
