import { MIB } from '../core/units.ts'

/** What one image may cost us while it is merged. Each stops hostile images and is far above honest ones. */
export interface PackLimits {
  /** All layers unpacked. A CUDA image with its models has about 20 GiB. */
  maxBytes: number
  /** Entries of all layers; 1,000 bytes of memory each. The largest node_modules seen in images have 300,000. */
  maxFiles: number
  /** The child's heap. */
  memoryMib: number
  /** Of wall clock, ms; half of it may be CPU time. 1 GiB takes about 10 s on one slow core. */
  timeMs: number
}

export const defaultLimits: PackLimits = {
  maxBytes: 32 * 1024 * MIB,
  maxFiles: 1_000_000,
  memoryMib: 1_280,
  timeMs: 20 * 60_000,
}

/** The user that merges images; it owns nothing else, and no other process runs as it. */
export const packUid = 64_800
