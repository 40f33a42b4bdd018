import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A port that leads to a server of plain HTTP, and hangs up on who tries TLS. */
export interface PlainFront {
  readonly port: number
  close(): Promise<void>
}

/** How a TLS handshake begins (RFC 8446 §5.1: content type 22). */
const HANDSHAKE = 22

/**
 * Stands before a server that leaves a handshake of TLS hanging, as workerd does: docker, podman and skopeo try TLS first, and would wait for ten seconds each time.
 * What is plain HTTP passes as it is.
 */
export async function startPlainFront(behind: number): Promise<PlainFront> {
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    sockets.add(client)
    client.on('close', () => sockets.delete(client)).on('error', () => client.destroy())
    client.once('data', first => {
      if (first[0] === HANDSHAKE) {
        client.destroy()
        return
      }
      const target = connect(behind, '127.0.0.1')
      target.on('error', () => client.destroy()).on('close', () => client.destroy())
      client.on('close', () => target.destroy())
      target.write(first)
      client.pipe(target).pipe(client)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
