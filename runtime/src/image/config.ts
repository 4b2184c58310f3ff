import { z } from 'zod'
import { ImageConfig } from '../model/release.ts'
import { CorruptImage, WrongPlatform } from './errors.ts'
import { parseJson } from './manifest.ts'

const strings = z.array(z.string()).nullish()
const keys = z.record(z.string(), z.unknown()).nullish()

/** The config blob, of either format: Docker's has all of OCI's fields and the healthcheck. Absent values may be null. */
const ConfigBlob = z.object({
  architecture: z.string().default('amd64'),
  os: z.string().default('linux'),
  config: z
    .object({
      Entrypoint: strings,
      Cmd: strings,
      Env: strings,
      WorkingDir: z.string().nullish(),
      User: z.string().nullish(),
      ExposedPorts: keys,
      Volumes: keys,
      StopSignal: z.string().nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
      Healthcheck: z
        .object({
          Test: strings,
          Interval: z.number().nullish(), // all in ns, 0 is the default
          Timeout: z.number().nullish(),
          StartPeriod: z.number().nullish(),
          Retries: z.number().nullish(),
        })
        .nullish(),
    })
    .nullish(),
  rootfs: z.object({ diff_ids: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)) }),
})
type Blob = z.infer<typeof ConfigBlob>

/** Reads a config blob: what a run needs of it, and the digests of its layers' tars. */
export function parseConfig(reference: string, raw: string): { config: ImageConfig; diffIds: string[] } {
  const parsed = ConfigBlob.safeParse(parseJson(reference, raw))
  if (!parsed.success) throw new CorruptImage(`${reference} has an invalid config: ${z.prettifyError(parsed.error)}`)
  const { architecture, os, rootfs } = parsed.data
  if (architecture !== 'amd64' || os !== 'linux') throw new WrongPlatform(reference, [`${os}/${architecture}`])
  return { config: toImageConfig(parsed.data.config ?? {}), diffIds: rootfs.diff_ids }
}

function toImageConfig(blob: Partial<NonNullable<Blob['config']>>): ImageConfig {
  const healthcheck = toHealthcheck(blob.Healthcheck)
  return ImageConfig.parse({
    entrypoint: blob.Entrypoint ?? [],
    cmd: blob.Cmd ?? [],
    env: blob.Env ?? [],
    workingDir: blob.WorkingDir ?? '',
    user: blob.User ?? '',
    exposedPorts: tcpPorts(Object.keys(blob.ExposedPorts ?? {})),
    volumes: Object.keys(blob.Volumes ?? {}),
    stopSignal: blob.StopSignal || 'SIGTERM',
    labels: blob.Labels ?? {},
    ...(healthcheck ? { healthcheck } : {}),
  })
}

/** `80/tcp`, `80` and `8000-8002/tcp`; udp and sctp are left out. */
function tcpPorts(exposed: string[]): number[] {
  const ports: number[] = []
  for (const text of exposed) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/tcp)?$/i.exec(text)
    if (!match) continue
    const first = Number(match[1])
    const last = Math.min(Number(match[2] ?? first), 65_535)
    for (let port = first; port <= last; port++) ports.push(port)
  }
  return ports
}

function toHealthcheck(blob: NonNullable<Blob['config']>['Healthcheck']): ImageConfig['healthcheck'] {
  if (!blob?.Test?.length) return undefined
  const ms = (ns: number | null | undefined, otherwise: number) => (ns ? Math.round(ns / 1_000_000) : otherwise)
  return {
    test: blob.Test,
    intervalMs: ms(blob.Interval, 30_000), // Docker's own defaults
    timeoutMs: ms(blob.Timeout, 30_000),
    startPeriodMs: ms(blob.StartPeriod, 0),
    retries: blob.Retries || 3,
  }
}
