import { gzipSync } from 'node:zlib'
import type { Digest } from '../../src/oci/digest.ts'
import type { Graph } from './made-images.ts'
import type { Answer } from './registry-content.ts'
import { sendsHeaders } from './registry-faults.ts'
import type { Hook } from './test-registry.ts'

/* What mistakes of registries are made of; more is in registry-faults.ts. */

/** Requests for manifests by tag. */
export const TAG: RegExp = /\/manifests\/[^/:]+$/

/** Requests for manifests by these digests. */
export function at(...digests: readonly Digest[]): RegExp {
  return new RegExp(`/manifests/(?:${digests.join('|')})$`)
}

/** Requests for the manifests that an index names. */
export function childrenOf({ root, manifests }: Graph): RegExp {
  return at(...[...manifests.keys()].filter(digest => digest !== root.digest))
}

/** A page of a web server that knows nothing of registries. */
export function page(status: number): Hook {
  return (): Answer => {
    return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: new TextEncoder().encode(PAGE) }
  }
}

const PAGE = '<!doctype html><title>Welcome</title><p>Nothing here.</p>'

/** Changes answers of 404 into others. */
export function absent(other: Hook): Hook {
  return async (request, next) => {
    const answer = await next(request)
    return answer.status === 404 ? other(request, next) : answer
  }
}

/** Leaves alone what is not there. */
export function there(hook: Hook): Hook {
  return async (request, next) => {
    const answer = await next(request)
    return answer.status === 200 ? hook(request, async () => answer) : answer
  }
}

/** One mistake in what the other has made of it. */
export function both(outer: Hook, inner: Hook): Hook {
  return (request, next) => outer(request, async changed => inner(changed, next))
}

/** Adds a parameter to the type. */
export const addsCharset: Hook = async (request, next) => {
  const answer = await next(request)
  const type = String(answer.headers['content-type'])
  return answer.status === 200
    ? sendsHeaders({ 'content-type': `${type}; charset=utf-8` })(request, async () => answer)
    : answer
}

/** As a web server or a network in front of it compresses what it takes for text. */
export const compresses: Hook = async (request, next) => {
  const answer = await next(request)
  if (answer.status !== 200 || !/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return answer
  const headers = {
    ...answer.headers,
    'content-encoding': 'gzip',
    'transfer-encoding': 'chunked',
    vary: 'Accept-Encoding',
  }
  return { ...answer, headers, body: gzipSync(answer.body) }
}
