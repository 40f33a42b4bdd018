/// <reference path="./undici-parts.d.ts" />
import { createSecureContext } from 'node:tls'
import type { buildConnector, Dispatcher, Pool } from 'undici'
import type request from 'undici/lib/api/api-request.js'
import { listAuthorities } from './certificates.ts'
import type { Timeouts } from './network-error.ts'
import { type Environment, proxyFor } from './proxy.ts'
import type { ReadBuffers } from './read-buffers.ts'

/** Connections, kept open and shared by all requests to the same host. */
export interface Dispatchers {
  /** What sends a request for that URL, straight or through a proxy. */
  pick(url: URL): Promise<{ readonly request: SendRequest; readonly proxy?: URL }>
  /** Breaks all connections. */
  close(): Promise<void>
}

type SendRequest = (options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>

/** How connections are made. */
export interface DispatcherOptions {
  readonly timeouts: Timeouts
  readonly caFile?: string
  /** What plain connections read into. Default: memory of their own, by the piece. */
  readonly buffers?: ReadBuffers
  readonly env: Environment
}

/** Loads undici and makes the pools. @throws RegistrishError `usage` or `io` for a CA file or proxy variable that is no good. */
export async function openDispatchers({ timeouts, caFile, buffers, env }: DispatcherOptions): Promise<Dispatchers> {
  const { Pool, buildConnector, request } = await loadUndici()
  const connect = {
    timeout: timeouts.connect,
    // A context is made once, since it parses all certificates.
    ...(caFile === undefined ? {} : { secureContext: createSecureContext({ ca: listAuthorities(caFile, env) }) }),
  }
  const reading = buffers === undefined ? {} : { onread: buffers.onread }
  const [plain, secure] = [buildConnector({ ...connect, ...reading }), buildConnector(connect)]
  // A pool an origin. undici's Agent would throw one away whenever its last connection ends, which a server that keeps none does at each request.
  const pools = new Map<string, Dispatcher>()
  const direct = ({ origin, protocol }: URL): Dispatcher => {
    const pool = pools.get(origin) ?? new Pool(origin, { connect: protocol === 'http:' ? plain : secure })
    pools.set(origin, pool)
    return pool
  }
  const proxies = new Map<string, Dispatcher>()
  return {
    async pick(url) {
      const proxy = proxyFor(url, env)
      if (proxy === undefined) return { request: options => request.call(direct(url), options) }
      const { ProxyAgent } = await import('undici')
      const dispatcher =
        proxies.get(proxy.href) ??
        // Plain HTTP is forwarded, HTTPS tunnelled: proxies as a rule refuse CONNECT to other ports than 443.
        new ProxyAgent({ uri: proxy.href, proxyTunnel: false, requestTls: connect, proxyTls: connect })
      proxies.set(proxy.href, dispatcher)
      return { request: options => request.call(dispatcher, options), proxy }
    },
    async close() {
      await Promise.all([...pools.values(), ...proxies.values()].map(async dispatcher => dispatcher.destroy()))
    },
  }
}

/** Part by part, see undici-parts.d.ts. A proxy needs all of it. */
async function loadUndici(): Promise<{
  readonly Pool: typeof Pool
  readonly buildConnector: typeof buildConnector
  readonly request: typeof request
}> {
  const [pool, connect, api] = await Promise.all([
    import('undici/lib/dispatcher/pool.js'),
    import('undici/lib/core/connect.js'),
    import('undici/lib/api/api-request.js'),
  ])
  return { Pool: pool.default, buildConnector: connect.default, request: api.default }
}
