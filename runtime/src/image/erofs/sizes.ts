/** 4 KiB: the page size of the guest; larger ones need a newer kernel. */
export const blockShift = 12
export const blockBytes = 1 << blockShift
/** An inode's number is its position in units of this. */
export const slotBytes = 32

export const blocksOf = (bytes: number) => Math.ceil(bytes / blockBytes)
export const aligned = (at: number, to: number) => Math.ceil(at / to) * to
