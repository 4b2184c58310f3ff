import { spawnSync } from 'node:child_process'
import test from 'node:test'

/**
 * Runs the test file once more in a network namespace of its own and reports what it reports: the tests may then make
 * taps and rules without touching the machine's. True inside of it.
 */
export function inOwnNetwork(file: string): boolean {
  if (process.getuid?.() !== 0) {
    test('isolation needs root', { skip: 'not root' }, () => {})
    return false
  }
  if (process.env.LITTLE_OWN_NETWORK === file) return true
  const env = { ...process.env, LITTLE_OWN_NETWORK: file }
  const script = 'ip link set lo up && exec "$@"'
  const command = ['--net', 'sh', '-c', script, 'sh', process.execPath, ...process.execArgv, file]
  // the runner's own settings are in the environment, so the inner results arrive as if they were ours
  process.exitCode = spawnSync('unshare', command, { stdio: 'inherit', env }).status ?? 1
  return false
}
