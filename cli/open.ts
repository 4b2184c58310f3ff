import { spawn } from 'node:child_process'
import type { Command } from 'commander'
import { connect } from './session.ts'

export function openCommand(program: Command): void {
  program
    .command('open')
    .summary("print an app's address and open it in a browser")
    .description(
      "Prints an app's address, and opens it where there is a browser to open it; a TCP app's is only printed.",
    )
    .argument('<app>')
    .addHelpText('after', '\nExamples:\n  little open hello\n  curl "$(little open hello)"')
    .action((app: string) => open(app))
}

async function open(app: string): Promise<void> {
  const { url } = await connect().app(app)
  console.log(url)
  const { DISPLAY, WAYLAND_DISPLAY } = process.env
  if (!url.startsWith('http')) return
  const opener = process.platform === 'darwin' ? 'open' : DISPLAY || WAYLAND_DISPLAY ? 'xdg-open' : undefined
  if (!opener || !process.stdout.isTTY) return
  const browser = spawn(opener, [url], { detached: true, stdio: 'ignore' })
  browser.on('error', () => {}) // there is none: the address is printed
  browser.unref()
}
