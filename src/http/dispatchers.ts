import { createSecureContext } from 'node:tls'
import type { Dispatcher } from 'undici'
import { listAuthorities } from './certificates.ts'
import type { Timeouts } from './network-error.ts'
import { type Environment, proxyFor } from './proxy.ts'

/** Connections, kept open and shared by all requests to the same host. */
export interface Dispatchers {
  /** What sends a request for that URL, straight or through a proxy. */
  pick(url: URL): { readonly dispatcher: Dispatcher; readonly proxy?: URL }
  /** Breaks all connections. */
  close(): Promise<void>
}

/** How connections are made. */
export interface DispatcherOptions {
  readonly timeouts: Timeouts
  readonly caFile?: string
  readonly env: Environment
}

/** Loads undici and makes the pools. @throws RegistrishError `usage` or `io` for a CA file or proxy variable that is no good. */
export async function openDispatchers({ timeouts, caFile, env }: DispatcherOptions): Promise<Dispatchers> {
  const { Agent, ProxyAgent } = await import('undici')
  const connect = {
    timeout: timeouts.connect,
    // A context is made once, since it parses all certificates.
    ...(caFile === undefined ? {} : { secureContext: createSecureContext({ ca: listAuthorities(caFile, env) }) }),
  }
  const direct = new Agent({ connect })
  const proxies = new Map<string, Dispatcher>()
  return {
    pick(url) {
      const proxy = proxyFor(url, env)
      if (proxy === undefined) return { dispatcher: direct }
      const known = proxies.get(proxy.href)
      // Plain HTTP is forwarded, HTTPS tunnelled: proxies as a rule refuse CONNECT to other ports than 443.
      const dispatcher =
        known ?? new ProxyAgent({ uri: proxy.href, proxyTunnel: false, requestTls: connect, proxyTls: connect })
      proxies.set(proxy.href, dispatcher)
      return { dispatcher, proxy }
    },
    async close() {
      await Promise.all([direct, ...proxies.values()].map(async dispatcher => dispatcher.destroy()))
    },
  }
}
