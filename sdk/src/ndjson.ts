import { cutOff } from './errors.ts'

/**
 * The objects of a newline-delimited JSON stream as they come. Throws if it is cut off, or silent for `silenceMs`:
 * the cloud sends an empty line every few seconds when it has nothing to say.
 */
export async function* readNdjson<T>(
  body: ReadableStream<Uint8Array>,
  what: string,
  silenceMs = 30_000,
): AsyncGenerator<T> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    while (true) {
      const { done, value } = await chunk(reader, what, silenceMs)
      if (done) break
      rest += decoder.decode(value, { stream: true })
      const lines = rest.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '') yield JSON.parse(line) as T
    }
    if (rest.trim() !== '') throw cutOff(what)
  } finally {
    await reader.cancel().catch(() => {}) // already broken: nothing to give back
  }
}

async function chunk(reader: ReadableStreamDefaultReader<Uint8Array>, what: string, silenceMs: number) {
  const silence = Promise.withResolvers<never>()
  const timer = setTimeout(() => silence.reject(cutOff(`${what}: it was silent for ${silenceMs / 1000} s`)), silenceMs)
  try {
    return await Promise.race([reader.read(), silence.promise])
  } catch (error) {
    if (error instanceof Error && (error.name === 'AbortError' || error.name === 'LittleCloudError')) throw error
    throw cutOff(what, error)
  } finally {
    clearTimeout(timer)
  }
}
