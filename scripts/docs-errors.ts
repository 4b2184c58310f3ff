import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Writes docs/errors.md from the error classes themselves; scripts/docs-errors.test.ts holds that it is up to date. */
export const errorsPagePath = 'docs/errors.md'
const root = join(import.meta.dirname, '..')

export interface KnownError {
  code: string
  status: string
  /** The message, with … for what differs. */
  message: string
  hint: string
  className: string
  file: string
}

/** Every class that extends LittleError, and the client's own errors, which are made where they happen. */
export function knownErrors(): KnownError[] {
  const files = globSync('{runtime,scripts}/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.test.ts'))
  const classes = files.flatMap((file) => classesIn(file, readFileSync(join(root, file), 'utf8')))
  const made = [
    'runtime/src/core/errors.ts',
    'sdk/src/errors.ts',
    'cli/failure.ts',
    'cli/status.ts',
    'runtime/src/host/holds.ts',
  ]
  const literals = made.flatMap((file) => literalsIn(file, readFileSync(join(root, file), 'utf8')))
  const first = new Map(literals.toReversed().map((error) => [error.code, error])) // the client repeats `internal`
  return [...classes, ...first.values()].toSorted((a, b) => (a.code < b.code ? -1 : 1))
}

const classHead = /^(?:export )?class (\w+) extends (?:LittleError|SetupFailed)\b/gm

/** A class whose code is given by the thrower has no `readonly code = '…'` and is left to its literals. */
export function classesIn(file: string, text: string): KnownError[] {
  return [...text.matchAll(classHead)].flatMap((head) => {
    const body = text.slice(head.index, endOfBlock(text, head.index))
    const code = /readonly code = '([^']+)'/.exec(body)?.[1]
    if (!code) return []
    const status = /readonly status = (\d+)/.exec(body)?.[1] ?? ''
    const hint = textOf(/(?:readonly hint =\s*|this\.hint =\s*)(['"`])(.*?)\1\s*$/ms.exec(body)?.[2])
    const said = textOf(/super\((['"`])(.*?)\1/s.exec(body)?.[2])
    return [
      {
        code,
        status,
        message: said || commentBefore(text, head.index) || wordsOf(head[1]!),
        hint,
        className: head[1]!,
        file,
      },
    ]
  })
}

const literal = /code: '([a-z_.]+)',\s*message(?:: (['"`])(.*?)\2)?,.*?hint(?:: (['"`])(.*?)\4)?[,\s}]/gs

function literalsIn(file: string, text: string): KnownError[] {
  const seen = new Map<string, KnownError>()
  for (const [, code = '', , message, , hint] of text.matchAll(literal)) {
    seen.set(code, { code, status: '', message: textOf(message), hint: textOf(hint), className: '', file })
  }
  return [...seen.values()]
}

/** `ImageNotFound` → `image not found`: for those whose message is made by the thrower. */
const wordsOf = (name: string) => name.replaceAll(/(?<=.)(?=[A-Z])/g, ' ').toLowerCase()

const endOfBlock = (text: string, from: number) => {
  const end = text.indexOf('\n}', from)
  return end < 0 ? text.length : end
}

function commentBefore(text: string, index: number): string {
  const comment = /\/\*\*((?:(?!\*\/).)*)\*\/\s*$/s.exec(text.slice(0, index))?.[1] ?? ''
  return comment.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim()
}

const textOf = (source = '') =>
  source
    .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…')
    .replaceAll(/\\(['"`])/g, '$1')
    .replaceAll('|', '\\|')
    .replaceAll(/\s+/g, ' ')
    .trim()

export function errorsPage(errors = knownErrors()): string {
  const groups = Map.groupBy(errors, ({ code }) => code.split('.')[0]!)
  const sections = [...groups]
    .toSorted()
    .flatMap(([group, members]) => [
      `## ${group}`,
      '',
      '| code | status | what happened | what to do |',
      '|---|---|---|---|',
      ...members.map(({ code, status, message, hint }) => `| \`${code}\` | ${status} | ${message} | ${hint} |`),
      '',
    ])
  return [
    '# Errors',
    '',
    'Every failure that littlecloud foresees. A code is stable for ever and never used again for something else, so that',
    'scripts can match on it. `…` stands for what differs. Made from the classes by `scripts/docs-errors.ts`; change them there.',
    '',
    'The command line ends with 1 when the mistake is yours (status 4xx, or 502: your app), 2 when it is ours, and 3 when',
    'the cloud cannot be reached (`cloud.*`). `--json` prints the code, the message and the hint as an object.',
    '',
    ...sections,
  ].join('\n')
}

if (import.meta.main) writeFileSync(join(root, errorsPagePath), errorsPage())
