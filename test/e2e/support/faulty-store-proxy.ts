import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** What goes wrong on the way to a store. */
export interface Fault {
  /** `kill`: the program is killed; `reset`: the connection is; `stall`: nothing comes for a while, then it is; `refuse`: 503 SlowDown, the store is not asked. */
  readonly kind: 'kill' | 'reset' | 'stall' | 'refuse'
  /** In the request, so that the store never has it whole, or in the answer, so that the store has done what it was asked. */
  readonly side: 'request' | 'answer'
  /** How much of that comes through, 0 to 1: any byte may be the last. */
  readonly part: number
  /** The first connection that is hit, counted from 0. */
  readonly first: number
  /** How many are, one after the other. */
  readonly count: number
}

/** A way to a store of which a part of the connections go wrong. Each carries one request, since versitygw closes it then. */
export interface FaultyProxy {
  readonly endpoint: string
  /** Connections so far. */
  readonly connections: () => number
  /** Connections that were hit. */
  readonly hits: () => number
  readonly close: () => Promise<void>
}

/** Milliseconds for which a stalled connection is silent. */
const STALL = 300

const SLOW_DOWN = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message><RequestId>0</RequestId></Error>`

/** What a {@link FaultyProxy} does, and to whom. */
export interface FaultyProxyOptions {
  /** Default: nothing goes wrong. */
  readonly fault?: Fault
  /** Ends the program that uses it. */
  readonly kill?: () => void
  /** Told of the first connection that is hit. */
  readonly onFirstHit?: () => void
}

/** Starts a proxy in front of a store. */
export async function startFaultyProxy(
  endpoint: string,
  { fault, kill = () => undefined, onFirstHit }: FaultyProxyOptions = {},
): Promise<FaultyProxy> {
  const target = Number(new URL(endpoint).port)
  const sockets = new Set<Socket>()
  let [connections, hits] = [0, 0]
  const server = createServer({ allowHalfOpen: true }, client => {
    const number = connections++
    follow(sockets, client)
    if (fault === undefined || number < fault.first || number >= fault.first + fault.count) {
      join(client, open(sockets, target))
      return
    }
    hits += 1
    if (hits === 1) onFirstHit?.()
    if (fault.kind === 'refuse') refuse(client, fault)
    else breakOff(client, open(sockets, target), { fault, kill })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    hits: () => hits,
    close: () => close(server, sockets),
  }
}

function follow(sockets: Set<Socket>, socket: Socket): Socket {
  sockets.add(socket)
  socket.on('error', () => undefined)
  socket.on('close', () => sockets.delete(socket))
  return socket
}

function open(sockets: Set<Socket>, port: number): Socket {
  return follow(sockets, connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
}

function join(client: Socket, store: Socket): void {
  client.pipe(store)
  store.pipe(client)
  client.on('close', () => store.destroy())
  store.on('close', () => client.destroySoon())
}

/** Lets a part through and ends both connections there. */
function breakOff(
  client: Socket,
  store: Socket,
  { fault, kill }: { readonly fault: Fault; readonly kill: () => void },
): void {
  const end = (): void => {
    if (fault.kind === 'kill') kill()
    const reset = (): void => {
      client.resetAndDestroy()
      store.resetAndDestroy()
    }
    if (fault.kind === 'stall') setTimeout(reset, STALL)
    else reset()
  }
  client.on('close', () => store.destroy())
  if (fault.side === 'answer') {
    client.pipe(store)
    store.once('data', (chunk: Buffer) => {
      store.pause()
      client.write(chunk.subarray(0, Math.floor(fault.part * chunk.length)), end)
    })
    return
  }
  const request = createMeasure()
  let sent = 0
  client.on('data', (chunk: Buffer) => {
    const limit = Math.floor(request(chunk) * fault.part)
    const rest = chunk.subarray(0, Math.max(0, limit - sent))
    sent += rest.length
    if (rest.length === chunk.length) store.write(rest)
    else {
      client.pause()
      store.write(rest, end)
    }
  })
  store.pipe(client)
}

/** Answers 503, at once or when the whole request has come, as stores do. */
function refuse(client: Socket, { part }: Fault): void {
  const request = createMeasure()
  let [came, answered] = [0, false]
  client.on('data', (chunk: Buffer) => {
    came += chunk.length
    const whole = request(chunk)
    if (answered || (part > 0.5 && came < whole)) return
    answered = true
    const head = ['HTTP/1.1 503 Slow Down', 'Content-Type: application/xml', `Content-Length: ${SLOW_DOWN.length}`]
    client.end([...head, 'Connection: close', '', SLOW_DOWN].join('\r\n'))
  })
}

/** Told of a request's chunks one after the other, gives how long it will be in all, as far as that is known yet. */
function createMeasure(): (chunk: Buffer) => number {
  let head = ''
  let whole: number | undefined
  return chunk => {
    if (whole !== undefined) return whole
    head += chunk.toString('latin1')
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return Number.POSITIVE_INFINITY
    whole = end + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))?.[1] ?? 0)
    return whole
  }
}

async function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  server.close()
  for (const socket of sockets) socket.destroy()
  await once(server, 'close')
}
