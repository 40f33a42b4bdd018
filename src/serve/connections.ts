import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The connections of a server: one request at a time on each, and none left when it stops. */
export interface Connections {
  /** Runs a request when those before it on its connection have been answered. */
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
 * one connection never holds more than one open file. (That a client is not read from while its answers are not taken is Node's doing.)
 */
export function watchConnections(server: Server): Connections {
  const states = new Map<Socket, State>()
  let stopping = false
  server.on('connection', (socket: Socket) => {
    states.set(socket, { busy: false, waiting: [] })
    socket.once('close', () => states.delete(socket))
  })
  const begin = (state: State, socket: Socket, { response, run }: Waiting): void => {
    state.busy = true
    response.once('close', () => {
      const next = state.waiting.shift()
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
      else state.waiting.push({ response, run })
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

interface Waiting {
  readonly response: ServerResponse
  readonly run: () => void
}

interface State {
  busy: boolean
  readonly waiting: Waiting[]
}
