import type { Msg, Subscription } from '@nats-io/transport-node'
import type { Cluster } from './connect.ts'

/** A core subscription that may be asked for before NATS is there; the client renews it after outages. Returns how to stop. */
export function subscribe(cluster: Cluster, subject: string, handle: (message: Msg) => void): () => void {
  let subscription: Subscription | undefined
  let stopped = false
  const begin = () => {
    if (stopped || subscription || !cluster.now) return
    subscription = cluster.now.subscribe(subject, {
      callback: (error, message) => {
        if (error) cluster.log?.error({ subject, error: error.message }, 'subscription failed')
        else handle(message)
      },
    })
  }
  const forget = cluster.onLink(begin)
  begin()
  return () => {
    stopped = true
    forget()
    if (cluster.now) subscription?.unsubscribe()
  }
}
