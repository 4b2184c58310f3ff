const colour = '\u001b\\[[0-9;]*m'
/** C0 but the tab, DEL and C1: they move the cursor, set titles, answer on the reader's behalf; the last ones turn text around. */
const controls = '[\\u0000-\\u0008\\u000a-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]'
const risky = new RegExp(`(${colour})|${controls}`, 'g')

/** What a program wrote as a terminal may show it: colours stay and end with the line, other control characters are spelled out. */
export function harmless(text: string): string {
  let coloured = false
  const shown = text.replace(risky, (found, isColour?: string) => {
    if (isColour === undefined) return spelled(found)
    coloured = true
    return found
  })
  return coloured ? `${shown}\u001b[0m` : shown
}

function spelled(character: string): string {
  const code = character.charCodeAt(0)
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}
