import type { AppHolds } from './app-holds.ts'
import type { Client } from './client.ts'
import { AppNotReady, AppStopped, NotHttp, UnknownHost } from './errors.ts'
import { Exchange } from './exchange.ts'
import type { RequestHead } from './head.ts'
import type { Holds } from './holds.ts'
import type { Metrics } from './metrics.ts'
import type { Route, Routes } from './routes.ts'
import { Tunnel, type Surroundings as TunnelSurroundings } from './tunnel.ts'

/** What serving needs. */
export interface Service {
  routes: Routes
  holds: Holds
  metrics: Metrics
}

/**
 * One request, from its head to the last byte of its reply. Start reading the edge here.
 *
 *   route     host → app and release
 *   slot      of an instance that this edge holds: at once, without a promise or a timer; or it waits (app-holds.ts)
 *   relay     client ⇄ instance, byte by byte (exchange.ts)
 *   free      after the reply's last byte; the hold itself goes on until nothing was asked for the app's idle time
 *
 * An instance that is not held is never written to: its node may stop it at any moment.
 */
export function serve(client: Client, head: RequestHead, body: Buffer, service: Service): void {
  const route = service.routes.byHost(head.host)
  if (!route || route.stopped || route.release === 0 || route.tcpPort !== undefined) {
    client.refuse(whyNot(route, head.host), head)
    return
  }
  let app = service.holds.of(route)
  const exchange = new Exchange(client, head, {
    metrics: service.metrics,
    traffic: service.metrics.traffic.of(route),
    again() {
      app = service.holds.of(service.routes.byHost(head.host) ?? route)
      slot(exchange, app, performance.now())
    },
    leave: () => app.room.leave(exchange),
    overtaken: () => service.routes.overtaken(app.route),
    route: () => app.route,
    upgraded: () => tunnel(exchange, { ...service, route: app.route }),
  })
  client.exchange = exchange
  slot(exchange, app, exchange.startedAt)
  if (body.length > 0 && !exchange.over) client.received(body)
}

function slot(exchange: Exchange, app: AppHolds, now: number): void {
  const hold = app.take(now)
  exchange.waits = hold === undefined
  if (hold) exchange.admitted(hold, false)
  else app.wait(exchange)
}

/** A WebSocket: what a request was is now two connections, which outlive the instance's sleep. */
function tunnel({ client, upstream, hold }: Exchange, around: TunnelSurroundings): void {
  if (!upstream || !hold) throw new TypeError('an exchange is upgraded while it has a connection and a slot')
  upstream.share()
  const tunnel = new Tunnel(client.socket, upstream, hold, around)
  client.exchange = tunnel
  const ahead = client.takeAhead()
  client.resume()
  if (ahead) tunnel.fromClient(ahead)
  if (client.ended) tunnel.clientEnded()
}

function whyNot(route: Route | undefined, host: string): Error {
  if (!route) return new UnknownHost(host)
  if (route.tcpPort !== undefined && !route.stopped) return new NotHttp(route.app, route.tcpPort)
  return route.stopped ? new AppStopped(route.app) : new AppNotReady(route.app)
}
