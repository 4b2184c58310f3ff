/** Lines that end between words and are at most so wide; all but the first begin with the indent, whose room the first has too. */
export function wrap(text: string, columns: number, indent: string): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line && indent.length + line.length + 1 + word.length > columns) lines.push(word)
    else lines[lines.length - 1] = line ? `${line} ${word}` : word
  }
  return lines.join(`\n${indent}`)
}
