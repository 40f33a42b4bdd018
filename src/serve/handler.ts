import type { IncomingHttpHeaders } from 'node:http'
import type { OpenFile } from './open-inside.ts'

/** A request as handlers see it. */
export interface ServeRequest {
  readonly method: string
  /** The request target as it was sent, neither decoded nor normalised: `/v2/alpine/manifests/latest?ns=docker.io`. */
  readonly url: string
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders
}

/** An answer. To HEAD a handler answers as to GET; whoever sends it leaves the body out, so that the headers cannot differ. */
export interface ServeResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Absent: none. A file belongs to whoever holds the answer, and must be closed. */
  readonly body?: Uint8Array | FileBody
}

/** Parts of an open file, with bytes of our own around them (multipart), in order. */
export interface FileBody {
  readonly file: OpenFile
  readonly segments: readonly Segment[]
}

/** Bytes as they are, or a part of the file: first byte and number of bytes. */
export type Segment = Uint8Array | { readonly offset: number; readonly length: number }

/** Answers at once where it can (a promise costs more than a cached manifest). */
export type MaybePromise<T> = T | Promise<T>

/**
 * Answers a request, or says with undefined that it is not this handler's. The registry, and later push, proxy and authentication, are handlers.
 * What it throws becomes an error answer at the server's edge.
 */
export type Handler = (request: ServeRequest) => MaybePromise<ServeResponse | undefined>

/** One handler out of many: the first that answers. */
export function chain(handlers: readonly Handler[]): Handler {
  return request => firstAnswer(handlers, request, 0)
}

/** Releases what an answer holds, where it is not sent. */
export function dispose(answer: ServeResponse): void {
  if (answer.body !== undefined && 'file' in answer.body) answer.body.file.close()
}

function firstAnswer(
  handlers: readonly Handler[],
  request: ServeRequest,
  from: number,
): MaybePromise<ServeResponse | undefined> {
  for (let position = from; position < handlers.length; position++) {
    const answer = handlers[position]?.(request)
    if (answer instanceof Promise) {
      return answer.then(known => known ?? firstAnswer(handlers, request, position + 1))
    }
    if (answer !== undefined) return answer
  }
  return undefined
}
