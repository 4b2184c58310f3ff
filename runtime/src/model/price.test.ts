import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultPrices, priceOf } from './price.ts'

const usPerHour = 3_600_000_000n
const nothing = { vcpuUs: 0n, mibUs: 0n, egressBytes: 0n }

test('a vCPU, a GiB and a GB cost their price for an hour, and all together the sum', () => {
  const used = { vcpuUs: usPerHour, mibUs: 1024n * usPerHour, egressBytes: 1_000_000_000n }
  const { perVcpuHour, perGibHour, perEgressGb } = defaultPrices
  assert.equal(priceOf({ ...nothing, vcpuUs: used.vcpuUs }), perVcpuHour)
  assert.equal(priceOf({ ...nothing, mibUs: used.mibUs }), perGibHour)
  assert.equal(priceOf({ ...nothing, egressBytes: used.egressBytes }), perEgressGb)
  assert.equal(priceOf(used), perVcpuHour + perGibHour + perEgressGb)
})

test('prices are rounded once, down, after everything was added', () => {
  const third = { vcpuUs: usPerHour / 3n, mibUs: 0n, egressBytes: 0n }
  assert.equal(priceOf(third, { ...defaultPrices, perVcpuHour: 10n }), 3n)
  const halves = { ...nothing, vcpuUs: usPerHour / 2n, egressBytes: 500_000_000n }
  assert.equal(priceOf(halves, { perVcpuHour: 1n, perGibHour: 0n, perEgressGb: 1n }), 1n)
})

test('sums beyond what a number can hold are exact', () => {
  const years = 1_000_000n * 24n * 365n
  assert.equal(priceOf({ ...nothing, vcpuUs: years * usPerHour }), years * defaultPrices.perVcpuHour)
})
