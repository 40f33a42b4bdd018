import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { createHttpClient, type HttpClient, type HttpClientOptions } from '../../src/http/client.ts'

/** A server that lives as long as the test. */
export interface StartedServer {
  readonly url: URL
  readonly host: string
  readonly port: number
  /** Requests in the order in which they came. */
  readonly requests: readonly IncomingMessage[]
  /** Connections that were made. */
  connections(): number
}

/** Starts a plain HTTP server on a free port. */
export async function startServer(listener: RequestListener): Promise<StartedServer> {
  const requests: IncomingMessage[] = []
  let connections = 0
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    requests.push(request)
    listener(request, response)
  })
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const host = `127.0.0.1:${port}`
  return { url: new URL(`http://${host}/`), host, port, requests, connections: () => connections }
}

/** Makes a client that lives as long as the test and knows nothing of this machine's environment. */
export function makeClient(options: HttpClientOptions = {}): HttpClient {
  const client = createHttpClient({ env: {}, ...options })
  onTestFinished(() => client.close())
  return client
}

/** A port of this machine on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
