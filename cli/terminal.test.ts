import assert from 'node:assert/strict'
import { test } from 'node:test'
import { harmless } from './terminal.ts'

test('colours stay and end with their line', () => {
  assert.equal(
    harmless('\u001b[1;31mred\u001b[0m plain \u001b[32mgreen'),
    '\u001b[1;31mred\u001b[0m plain \u001b[32mgreen\u001b[0m',
  )
  assert.equal(harmless('tab\tand ünïcödé 日本語'), 'tab\tand ünïcödé 日本語')
})

test('what a log could do to a terminal is spelled out instead', () => {
  assert.equal(harmless('\u001b]0;title\u0007'), '\\x1b]0;title\\x07')
  assert.equal(harmless('\u001b[2J\u001b[6n'), '\\x1b[2J\\x1b[6n')
  assert.equal(harmless('\u009b31m'), '\\x9b31m')
  assert.equal(harmless('over\rwritten'), 'over\\x0dwritten')
  assert.equal(harmless('user\u202etxt.exe'), 'user\\u202etxt.exe')
})
