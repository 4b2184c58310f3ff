/** A step of a walk in ARCHITECTURE.md, written as: `path/of/file.ts` `name` */
export interface Step {
  file: string
  name: string
}

export function walkSteps(markdown: string): Step[] {
  return [...markdown.matchAll(/`([\w./-]+\/[\w.-]+\.\w+)`\s+`([\w.]+)`/g)].map((match) => ({
    file: match[1] ?? '',
    name: match[2] ?? '',
  }))
}

/** Whether the source has a function, class, value, type or method of that name; `Class.method` asks for both. */
export function defines(source: string, name: string): boolean {
  return name.split('.').every((part) => {
    const declared = new RegExp(`\\b(?:function\\*?|class|const|let|interface|type) ${part}\\b`)
    const method = new RegExp(`^\\s+(?:static |async |get |readonly |\\*|#)*${part}\\b\\s*[(=<]`, 'm')
    const inC = new RegExp(`^[a-z][\\w *]*\\b${part}\\(`, 'm')
    return declared.test(source) || method.test(source) || inC.test(source)
  })
}
