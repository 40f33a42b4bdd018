import { type Answer, apiError, json, type RegistryRequest } from './registry-content.ts'
import type { Hook } from './test-registry.ts'

/* The ways in which a test registry can misbehave, and the ways in which it can ask who is there. */

/** Applies a hook to requests whose `METHOD path` matches. */
export function only(pattern: RegExp, hook: Hook): Hook {
  return (request, next) => (pattern.test(`${request.method} ${request.path}`) ? hook(request, next) : next(request))
}

/** Applies a hook to the first `times` requests of each method and path. */
export function first(times: number, hook: Hook): Hook {
  return (request, next) => (request.earlier < times ? hook(request, next) : next(request))
}

/** Answers with a status, an API error as body, and headers. */
export function fails(status: number, headers: Readonly<Record<string, string>> = {}, code = 'UNKNOWN'): Hook {
  return () => {
    const answer = apiError(status, code, 'this registry was told to fail')
    return { ...answer, headers: { ...answer.headers, ...headers } }
  }
}

/** Changes headers of the answer; undefined takes one away. */
export function sendsHeaders(headers: Readonly<Record<string, string | undefined>>): Hook {
  return async (request, next) => {
    const answer = await next(request)
    const changed = Object.entries({ ...answer.headers, ...headers }).filter(([, value]) => value !== undefined)
    return { ...answer, headers: Object.fromEntries(changed) as Answer['headers'] }
  }
}

/** Gives other bytes of the same length. */
export const wrongBytes: Hook = async (request, next) => {
  const answer = await next(request)
  return { ...answer, body: answer.body.map((byte, position) => (position === 0 ? byte ^ 1 : byte)) }
}

/** Ends the connection after some bytes, resets it, or falls silent. */
export function breaksAfter(after: number, how: 'ends' | 'resets' | 'stalls'): Hook {
  return async (request, next) => ({ ...(await next(request)), breaks: { how, after } })
}

/** Waits so many milliseconds after each 64 KiB, so that something can happen in the middle. */
export function slowly(pause: number): Hook {
  return async (request, next) => ({ ...(await next(request)), pause })
}

/** Never answers. */
export const neverAnswers: Hook = () => new Promise(() => {})

/** Hangs up without an answer. */
export const hangsUp: Hook = () => {
  throw new Error('this registry was told to hang up')
}

/** Answers ranges with the whole. */
export const ignoresRange: Hook = (request, next) => next(without(request, 'range'))

/** Redirects to where `target` says, a URL or a path. */
export function redirects(target: (request: RegistryRequest) => string, status = 307): Hook {
  return request => ({ status, headers: { location: target(request) }, body: new Uint8Array() })
}

/** Wants HTTP basic authentication. */
export function basicAuth(username: string, password: string): Hook {
  const wanted = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  return (request, next) => {
    if (request.headers['authorization'] === wanted) return next(request)
    return challenge('Basic realm="test registry"')
  }
}

/** What a token server and its registry agree upon. */
export interface TokenAuthOptions {
  /** Where the token server is; default: this registry's own `/token`. */
  readonly realm?: string
  /** User and password that it wants; default: it serves anyone. */
  readonly user?: readonly [string, string]
  /** The refresh token that it takes at the OAuth2 endpoint. */
  readonly identity?: string
  /** The scope in the challenge; '' leaves it out. Default `repository:<name>:pull`. */
  readonly scope?: string
  /** How many requests a token is good for. Default: any number. */
  readonly uses?: number
  /** What the token server says of a token's lifetime, in s. */
  readonly expiresIn?: number
  /** The status of a refusal. Default 401; ECR Public says 400 to a token that has expired. */
  readonly expiredStatus?: number
}

/** Wants bearer tokens, and gives them at `/token`: `<scope>#<number>`. */
export function tokenAuth(options: TokenAuthOptions = {}): Hook {
  const uses = new Map<string, number>()
  let number = 0
  return (request, next) => {
    if (request.path === '/token') {
      if (!mayHaveToken(request, options)) return apiError(401, 'UNAUTHORIZED', 'wrong user or password')
      number += 1
      const form = request.method === 'POST' ? new URLSearchParams(request.body) : request.query
      const token = `${form.get('scope')}#${number}`
      uses.set(token, options.uses ?? Number.POSITIVE_INFINITY)
      return json(200, { token, ...(options.expiresIn === undefined ? {} : { expires_in: options.expiresIn }) })
    }
    const token = /^Bearer (.+)$/.exec(request.headers['authorization'] ?? '')?.[1] ?? ''
    const left = uses.get(token)
    if (left !== undefined && left > 0) {
      uses.set(token, left - 1)
      return next(request)
    }
    const { expiredStatus = 401 } = options
    if (left !== undefined && expiredStatus !== 401) return apiError(expiredStatus, 'DENIED', 'your token has expired')
    return challenge(formatBearer(request, options))
  }
}

function mayHaveToken(request: RegistryRequest, { user, identity }: TokenAuthOptions): boolean {
  if (request.method === 'POST') return new URLSearchParams(request.body).get('refresh_token') === identity
  if (user === undefined) return true
  return request.headers['authorization'] === `Basic ${Buffer.from(user.join(':')).toString('base64')}`
}

function formatBearer(request: RegistryRequest, options: TokenAuthOptions): string {
  const { realm = `http://${request.headers['host']}/token` } = options
  const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(request.path)?.[1]
  const scope = options.scope ?? `repository:${name}:pull`
  return `Bearer realm="${realm}",service="test registry"${scope === '' ? '' : `,scope="${scope}"`}`
}

function challenge(value: string): Answer {
  const answer = apiError(401, 'UNAUTHORIZED', 'authentication required')
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': value } }
}

function without(request: RegistryRequest, header: string): RegistryRequest {
  return {
    ...request,
    headers: Object.fromEntries(Object.entries(request.headers).filter(([name]) => name !== header)),
  }
}
