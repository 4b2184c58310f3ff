import { join } from 'node:path'

export interface NatsServerConfig {
  dir: string
  host: string
  port: number
  user: string
  pass: string
}

/**
 * `sync_interval: always` is what makes an acknowledgement true: by default nats-server syncs every two minutes, and a
 * power cut took 27,000 acknowledged messages of 27,000 (facts of JetStream 2.15; 2.9 and older refuse the option).
 */
export function natsConfigText({ dir, host, port, user, pass }: NatsServerConfig): string {
  const text = (value: string) => JSON.stringify(value)
  return `server_name: littlecloud
listen: ${text(`${host}:${port}`)}
log_file: ${text(join(dir, 'nats.log'))}
logfile_size_limit: 10MB
logfile_max_num: 3
authorization { user: ${text(user)}, password: ${text(pass)} }
jetstream {
  store_dir: ${text(join(dir, 'store'))}
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: 64GB
}
`
}
