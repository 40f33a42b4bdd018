import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { systemCode } from '../../../src/errors.ts'

/** One answer as a client on a kept connection sees it. */
export interface Pulled {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A client that keeps its one connection open from one request to the next, as container engines do. */
export interface PullingClient {
  readonly send: (path: string, options?: PullOptions) => Promise<Pulled>
  /** How many requests went over a connection that had served one before. */
  readonly reused: () => number
  readonly close: () => void
}

interface PullOptions {
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
}

/** Opens nothing yet: the first request does. */
export function createPullingClient(url: string): PullingClient {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let reused = 0
  const once = (path: string, { method = 'GET', headers = {} }: PullOptions): Promise<Pulled> =>
    new Promise((resolve, reject) => {
      const sent = request({ hostname, port, agent, path, method, headers }, answer => {
        if (sent.reusedSocket) reused += 1
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        )
      })
      sent.on('error', error => reject(sent.reusedSocket && isReset(error) ? new ClosedMeanwhileError() : error))
      sent.end()
    })
  return {
    // A server may close a connection at the moment when a request is on its way: every client asks again.
    send: (path, options = {}) =>
      once(path, options).catch(error => {
        if (error instanceof ClosedMeanwhileError) return once(path, options)
        throw error
      }),
    reused: () => reused,
    close: () => agent.destroy(),
  }
}

class ClosedMeanwhileError extends Error {}

function isReset(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE'].includes(systemCode(error) ?? '')
}
