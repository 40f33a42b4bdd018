import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { onTestFinished } from 'vitest'

/** A proxy that lives as long as the test, and what it was asked for. */
export interface StartedProxy {
  readonly host: string
  readonly log: readonly string[]
  readonly authorizations: readonly (string | undefined)[]
  readonly headers: readonly unknown[]
}

/** Starts a proxy that leads everything to one port of this machine; without a port it refuses to connect. */
export async function startProxy(target: number | undefined): Promise<StartedProxy> {
  const log: string[] = []
  const authorizations: (string | undefined)[] = []
  const headers: unknown[] = []
  const note = (incoming: IncomingMessage): void => {
    log.push(`${incoming.method} ${incoming.url}`)
    authorizations.push(incoming.headers['proxy-authorization'])
    headers.push(incoming.headers)
  }
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    note(incoming)
    const { 'proxy-authorization': _, ...passed } = incoming.headers
    const { pathname, search } = new URL(incoming.url ?? '')
    const path = `${pathname}${search}`
    forward({ host: '127.0.0.1', port: target, path, method: incoming.method, headers: passed }, answer => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    }).end()
  })
  server.on('connect', (incoming, socket) => {
    note(incoming)
    socket.on('error', () => {})
    if (target === undefined) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
      return
    }
    const tunnel = connect(target, '127.0.0.1', () => socket.write('HTTP/1.1 200 Connection Established\r\n\r\n'))
    tunnel.on('error', () => socket.destroy())
    socket.pipe(tunnel).pipe(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, log, authorizations, headers }
}
