import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Compiles a test program of jail/test, static, so that it runs in an empty root too. */
export function compile(name: 'cable' | 'forge' | 'probe', folder: string): string {
  const source = join(import.meta.dirname, `../jail/test/${name}.c`)
  const headers = ['-idirafter', '/usr/include', '-idirafter', '/usr/include/x86_64-linux-gnu']
  const program = join(folder, name)
  execFileSync('musl-gcc', ['-static', '-Os', '-Wall', '-Wextra', '-Werror', ...headers, '-o', program, source])
  return program
}
