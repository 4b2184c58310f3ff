import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitColumns } from './fit.ts'

const rows = [
  ['APP', 'IMAGE', 'URL'],
  ['shop', '/srv/images/archives/shop-of-may.tar', 'http://shop.localhost:8080'],
]

test('a table too wide for its terminal keeps its addresses, and of a path the end', () => {
  assert.deepEqual(fitColumns(rows, [false, true, false], 52, 2)[1], ['shop', '…s/shop-of-may.tar', rows[1]![2]])
  assert.deepEqual(fitColumns(rows, [false, true, false], 80, 2), rows)
})

test('a terminal that is far too narrow still gets the beginnings', () => {
  assert.deepEqual(fitColumns([['an instance of something']], [true], 3, 2), [['an instance…']])
})
