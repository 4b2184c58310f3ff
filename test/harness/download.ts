import http from 'node:http'

/** What a client has of a long download: the example `node` sends numbered events, one every `everyMs`. */
export interface Download {
  /** The numbers that came, in their order. */
  numbers: number[]
  /** ms since the epoch */
  firstByteAt: number
  lastByteAt: number
  /** `whole`: the reply came to its own end. */
  end: 'open' | 'whole' | 'broken'
  /** Resolves at the end, whichever it is. */
  ended: Promise<void>
  /** Resolves when that many events have come. */
  reached(count: number): Promise<void>
  abort(): void
}

export function download(port: number, app: string, count: number, everyMs: number, host = '127.0.0.1'): Download {
  const over = Promise.withResolvers<void>()
  const waiting: { count: number; reached: () => void }[] = []
  let text = ''
  const request = http.get({
    ...{ host, port, agent: false },
    path: `/stream?count=${count}&ms=${everyMs}`,
    headers: { host: `${app}.localhost:${port}` },
  })
  const state: Download = {
    ...{ numbers: [], firstByteAt: 0, lastByteAt: 0, end: 'open', ended: over.promise },
    reached(wanted) {
      if (state.numbers.length >= wanted) return Promise.resolve()
      const early = over.promise.then(() => {
        if (state.numbers.length < wanted) throw new Error(`the download ended after ${state.numbers.length} events`)
      })
      return Promise.race([early, new Promise<void>((reached) => waiting.push({ count: wanted, reached }))])
    },
    abort: () => void request.destroy(),
  }
  const finish = (end: 'whole' | 'broken') => {
    if (state.end !== 'open') return
    state.end = end
    over.resolve()
  }
  request.on('error', () => finish('broken'))
  request.on('response', (response) => {
    if (response.statusCode !== 200) finish('broken')
    response.setEncoding('utf8').on('data', (piece: string) => {
      state.lastByteAt = Date.now()
      state.firstByteAt ||= state.lastByteAt
      const lines = (text + piece).split('\n\n')
      text = lines.pop() ?? ''
      for (const line of lines)
        state.numbers.push((JSON.parse(line.slice('data: '.length)) as { number: number }).number)
      for (const one of waiting) if (state.numbers.length >= one.count) one.reached()
    })
    response.on('end', () => finish('whole')).on('error', () => finish('broken'))
    response.on('close', () => finish('broken'))
  })
  return state
}

/** 1 … count, each once. */
export const isWhole = ({ numbers, end }: Download, count: number) =>
  end === 'whole' && numbers.length === count && numbers.every((number, index) => number === index + 1)
