/** Checks by hand for what lies on the path of a wake: see docs/decisions/020-the-wake.md. */
export type Fields = Record<string, unknown>

export const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null
export const isText = (value: unknown): value is string => typeof value === 'string'
export const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0
export const isList = <T>(value: unknown, isOne: (one: unknown) => one is T): value is T[] =>
  Array.isArray(value) && value.every(isOne)
