import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Colour where it is seen: not into a pipe, and not with NO_COLOR. */
export const paint = (style: Style, text: string, stream: NodeJS.WriteStream = process.stderr) =>
  styleText(style, text, { stream })
