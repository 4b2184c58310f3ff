import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SetupFailed } from './failed.ts'

/**
 * One set-up at a time. The kernel holds the lock through a small child (Node has no flock): it ends with our end of
 * its input, so a killed set-up leaves nothing locked.
 */
export async function lock(path: string, onWait: () => void): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true })
  const holder = spawn('flock', [path, 'sh', '-c', 'echo held; read end'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = new Promise<void>((resolve) => holder.once('close', () => resolve()))
  const held = new Promise<boolean>((resolve, reject) => {
    holder.once('error', reject)
    holder.stdout.once('data', () => resolve(true))
    holder.once('close', () => resolve(false))
  })
  const patience = setTimeout(onWait, 500) // ms; without a rival it takes 5
  if (!(await held.finally(() => clearTimeout(patience)))) {
    throw new SetupFailed(`${path} cannot be locked`, 'Look at the message above: is the disk full or read-only?')
  }
  return {
    async [Symbol.asyncDispose]() {
      holder.stdin.end()
      await closed
    },
  }
}
