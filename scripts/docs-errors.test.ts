import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { classesIn, errorsPage, errorsPagePath, knownErrors } from './docs-errors.ts'

test('docs/errors.md lists every error class (else: node scripts/docs-errors.ts)', () => {
  const lines = (text: string) => text.split('\n')
  const written = new Set(lines(readFileSync(join(import.meta.dirname, '..', errorsPagePath), 'utf8')))
  const meant = new Set(lines(errorsPage()))
  assert.deepEqual([...meant.symmetricDifference(written)], [])
})

test('no code is used twice, and each is a folder-like word and a name', () => {
  const codes = knownErrors().map(({ code }) => code)
  assert.deepEqual(
    codes.filter((code, index) => codes.indexOf(code) !== index),
    [],
  )
  assert.deepEqual(
    codes.filter((code) => !/^(internal|usage|[a-z]+\.[a-z_]+)$/.test(code)),
    [],
  )
})

test('the reader of classes finds code, status, message and hint, whichever quotes they are in', () => {
  const text = [
    'class A extends LittleError {',
    "  readonly code = 'a.b'",
    '  readonly status = 400',
    '  readonly hint =',
    '    "Don\'t"',
    '}',
  ].join('\n')
  const [found] = classesIn('x.ts', text)
  assert.deepEqual([found?.code, found?.status, found?.hint, found?.message], ['a.b', '400', "Don't", 'a'])
})
