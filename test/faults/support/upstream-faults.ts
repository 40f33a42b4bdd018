import type { Digest } from '../../../src/oci/digest.ts'
import { only } from '../../support/registry-faults.ts'
import type { Hook } from '../../support/test-registry.ts'
import { SIZE, type World } from './upstream-world.ts'

/* Faults of the upstream table beyond test/support/registry-faults.ts, and what its rows look for in the log. */

/** A fault of the big layer only. */
export function ofBig({ big }: World, hook: Hook): Hook {
  return only(new RegExp(`^GET .*/blobs/${big.digest}$`), hook)
}

/** A fault of the manifest of one digest, when it is read. */
export function ofManifest(digest: Digest, hook: Hook): Hook {
  return only(new RegExp(`^GET .*/manifests/${digest}$`), hook)
}

/** A fault of what the tag is resolved by. */
export function ofHead(hook: Hook): Hook {
  return only(/^HEAD .*\/manifests\//, hook)
}

/** Breaks the connection at one byte of the whole blob, wherever a range begins. */
export function breaksAtByte(position: number, how: 'ends' | 'resets' | 'stalls'): Hook {
  return async (request, next) => {
    const answer = await next(request)
    const after = Math.max(0, position - startOf(request.headers['range']))
    return after >= answer.body.length ? answer : { ...answer, breaks: { how, after } }
  }
}

/** Sends the answer in chunks, without its length, and by other bytes where they are given. */
export function chunked(change: (body: Uint8Array) => Uint8Array = body => body): Hook {
  return async (request, next) => {
    const answer = await next(request)
    return { ...answer, headers: { ...answer.headers, 'transfer-encoding': 'chunked' }, body: change(answer.body) }
  }
}

/** Other bytes, of a length that is told rightly. */
export function sends(change: (body: Uint8Array) => Uint8Array, headers: Readonly<Record<string, string>> = {}): Hook {
  return async (request, next) => {
    const answer = await next(request)
    return { ...answer, headers: { ...answer.headers, ...headers }, body: change(answer.body) }
  }
}

/** A Content-Length that is wrong by so many bytes; the connection ends with the body. */
export function lengthOff(by: number): Hook {
  return async (request, next) => {
    const answer = await next(request)
    const headers = { ...answer.headers, 'content-length': String(answer.body.length + by) }
    return { ...answer, headers, breaks: { how: 'ends', after: answer.body.length } }
  }
}

/** An answer of HTML with 200. */
export const portal: Hook = () => ({
  status: 200,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: Buffer.from('<!DOCTYPE html>\n<html><body>Welcome to the hotel. Please log in.</body></html>\n'),
})

/** The byte from which each request for the big layer wanted it, in order. */
export function startsOfBig({ upstream, big }: World): readonly number[] {
  return upstream.log
    .filter(({ method, path }) => method === 'GET' && path.endsWith(`/blobs/${big.digest}`))
    .map(({ headers }) => startOf(headers['range']))
}

/** All bytes of the new image, each counted once. */
export function bytesOfGood({ good }: World): number {
  return [...good.manifests.values(), ...good.blobs.values()].reduce((sum, { length }) => sum + length, 0)
}

/** The position of the n-th fifth of the big layer. */
export function fifth(n: number): number {
  return (SIZE / 5) * n
}

function startOf(range: string | undefined): number {
  return Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
}
