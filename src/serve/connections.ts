import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The connections of a server: one request at a time on each, and none left when it stops. */
export interface Connections {
  /** Runs a request when those before it on its connection have been answered. Where too many wait already, on all connections together, this one is broken. */
  enter(response: ServerResponse, socket: Socket, run: () => void): void
  /** Whether an answer is on its way: nothing else may be written then. */
  isBusy(socket: Socket): boolean
  /** Whether the server is stopping: answers then end their connection. */
  isStopping(): boolean
  /** Ends idle connections now, others after their answer, and all of them after `grace` milliseconds. */
  stop(grace: number): Promise<void>
}

/**
 * Watches the connections of a server. Node starts pipelined requests all at once and keeps their answers in memory; here the next one waits, so that
 * one connection never holds more than one open file. (That a client is not read from while its answers are not taken is Node's doing, but for what it sent
 * in one go: thousands of requests, of some kilobytes each once they are parsed. Hence the bound on all that wait.)
 */
export function watchConnections(server: Server, mostWaiting: number = MOST_WAITING): Connections {
  const states = new Map<Socket, State>()
  let waiting = 0
  let stopping = false
  server.on('connection', (socket: Socket) => {
    states.set(socket, { busy: false, waiting: [] })
    socket.once('close', () => {
      waiting -= states.get(socket)?.waiting.length ?? 0
      states.delete(socket)
    })
  })
  const begin = (state: State, socket: Socket, { response, run }: Waiting): void => {
    state.busy = true
    response.once('close', () => {
      // what waits on a connection that is gone was counted out with it
      const next = states.has(socket) ? state.waiting.shift() : undefined
      if (next !== undefined) waiting -= 1
      state.busy = false
      // a response without a socket never gets one: the one before it ended the connection
      if (next !== undefined && next.response.socket !== null && !socket.destroyed) begin(state, socket, next)
      else if (stopping) socket.destroySoon()
    })
    run()
  }
  return {
    enter(response, socket, run): void {
      const state = states.get(socket)
      if (state === undefined) return
      if (!state.busy) begin(state, socket, { response, run })
      else if (waiting >= mostWaiting) breakOff(socket)
      else {
        waiting += 1
        state.waiting.push({ response, run })
      }
    },
    isBusy: socket => states.get(socket)?.busy ?? false,
    isStopping: () => stopping,
    async stop(grace): Promise<void> {
      stopping = true
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const [socket, { busy }] of states) if (!busy) socket.destroySoon()
      const timer = setTimeout(() => {
        for (const socket of states.keys()) socket.destroy()
      }, grace)
      await closed
      clearTimeout(timer)
    },
  }
}

/**
 * Ends a connection, and makes no more requests of what was read from it: up to 64 KB, of which Node would make thousands and keep them until the connection
 * is closed, after all others that can be read from have had their turn. It has no public way to say so; where this one is gone, only memory is lost.
 */
function breakOff(socket: Socket & { readonly parser?: { onIncoming?: unknown } | null }): void {
  if (typeof socket.parser?.onIncoming === 'function') socket.parser.onIncoming = () => 0
  socket.destroy()
}

/** Requests, of 3 to 4 KB each. Hardly any client pipelines, and those that do not never wait. */
const MOST_WAITING = 10_000

interface Waiting {
  readonly response: ServerResponse
  readonly run: () => void
}

interface State {
  busy: boolean
  readonly waiting: Waiting[]
}
