const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Whatever signal ends this process, `end` is carried out before; returns how to forget that. A kill -9 leaves no time
 * for it: what has to end then listens to its channel.
 */
export function endBySignal(end: () => Promise<void>): () => void {
  const ended = (signal: NodeJS.Signals) => {
    forget()
    const die = () => process.kill(process.pid, signal)
    end().then(die, (error: unknown) => {
      console.error(error)
      die()
    })
  }
  const forget = () => {
    for (const signal of signals) process.off(signal, ended)
  }
  for (const signal of signals) process.on(signal, ended)
  return forget
}
