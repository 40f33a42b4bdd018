import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { RunningServer, ServeEvent, ServeTimeouts } from '../../src/serve/listen.ts'
import { serve } from '../../src/serve/server.ts'
import { type RawAnswer, type RawRequest, rawRequest } from '../contract/raw-request.ts'
import { TreeByHand } from '../contract/tree-by-hand.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** A tree made by hand and a server over it, as long as the test. */
export interface Served {
  readonly tree: TreeByHand
  readonly server: RunningServer
  readonly events: ServeEvent[]
  send(request: RawRequest): Promise<RawAnswer>
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<RawAnswer>
}

/** Serves what `build` writes. Without it: one image, `app:latest`. */
export async function serveTree(
  build: (tree: TreeByHand) => void = tree => tree.image('app', { tags: ['latest'], note: 'app' }),
  timeouts: Partial<ServeTimeouts> = {},
): Promise<Served> {
  const tree = new TreeByHand(await makeTemporaryFolder())
  build(tree)
  const events: ServeEvent[] = []
  const server = await serve(tree.root, {
    listen: '127.0.0.1:0',
    timeouts: { stop: 0, ...timeouts },
    onEvent: event => events.push(event),
  })
  onTestFinished(() => server.close())
  const send = (request: RawRequest): Promise<RawAnswer> => rawRequest(server.url, request)
  return { tree, server, events, send, get: (path, headers = {}) => send({ path, headers }) }
}

/** A connection of the test's own. */
export interface Connection {
  readonly socket: Socket
  /** All that came so far, as latin1. */
  received(): string
  /** Waits until what came satisfies `wanted`; fails when the connection ends before. */
  until(wanted: (received: string) => boolean): Promise<string>
  /** Waits for the end, clean or not, and gives all that came. */
  ended(): Promise<string>
}

/** Connects; the connection ends with the test. A client that does not read is one with `reads: false`. */
export async function connectTo(
  { port }: { readonly port: number },
  options: { readonly reads?: boolean } = {},
): Promise<Connection> {
  const chunks: Buffer[] = []
  const received = (): string => Buffer.concat(chunks).toString('latin1')
  const socket = connect(port, '127.0.0.1')
  // resets are among what is tested
  socket.on('error', () => undefined)
  if (options.reads ?? true) socket.on('data', chunk => chunks.push(chunk))
  else socket.pause()
  await new Promise<void>(resolve => socket.once('connect', () => resolve()))
  onTestFinished(() => void socket.destroy())
  return {
    socket,
    received,
    until: wanted =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (wanted(received())) resolve(received())
        }
        socket.on('data', check)
        socket.once('close', () => reject(new Error(`the connection ended after ${received().slice(0, 300)}`)))
        check()
      }),
    ended: () =>
      new Promise(resolve => {
        if (socket.closed) resolve(received())
        else socket.once('close', () => resolve(received()))
      }),
  }
}

/** Waits, by asking again and again, until `holds` is true. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
