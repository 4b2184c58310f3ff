import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitColumns } from './fit.ts'

test('a table too wide for its terminal shortens its widest column, and of a path it keeps the end', () => {
  const rows = [
    ['APP', 'IMAGE', 'URL'],
    ['shop', '/srv/images/archives/shop-of-may.tar', 'http://shop.localhost:8080'],
  ]
  const fitted = fitColumns(rows, 52, 2)
  assert.deepEqual(fitted[1], ['shop', '…hives/shop-of-may.tar', 'http://shop.localhost…'])
  assert.ok(fitted.every((row) => row.join('  ').length <= 52))
  assert.deepEqual(fitColumns(rows, 80, 2), rows)
})

test('a terminal that is far too narrow still gets the beginnings', () => {
  assert.deepEqual(fitColumns([['an instance of something']], 3, 2), [['an instance…']])
})
