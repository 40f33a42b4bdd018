import type { Credentials } from './auth-file.ts'
import type { Challenge } from './challenge.ts'
import type { HttpClient } from './client.ts'
import type { Retry } from './retry.ts'
import { fetchToken, parseRealm } from './token.ts'

/** What a {@link TokenCache} works with. */
export interface TokenCacheOptions {
  /** The registry's name, for messages. */
  readonly registry: string
  /** Where its requests go. */
  readonly origin: URL
  readonly http: HttpClient
  readonly retry: Retry
  /** Default `Date.now`. */
  readonly now?: () => number
}

/** The value of an `Authorization` header. */
export interface Authorization {
  readonly authorization: string
  /** In ms since the epoch. */
  readonly expires: number
}

/** Which token is wanted. */
interface TokenQuery {
  readonly challenge: Challenge
  /** Empty where it is about no repository: then no scope is computed. */
  readonly repository: string
  readonly rejected: string | undefined
  readonly credentials?: Exclude<Credentials, { readonly kind: 'bearer' }>
}

/** Bearer tokens by realm, service and scope. */
export interface TokenCache {
  /** A token that is good for some time yet and is not the one that was rejected. */
  get(query: TokenQuery): Promise<Authorization>
}

/** A token is not used in its last seconds, in ms: the request has to arrive before it expires. */
const MARGIN = 10_000

/** Makes a {@link TokenCache}: each token is fetched once however many wait for it. */
export function createTokenCache(options: TokenCacheOptions): TokenCache {
  const { http, retry, registry, origin, now = Date.now } = options
  const known = new Map<string, Authorization>()
  const running = new Map<string, Promise<Authorization>>()
  const load = async (query: TokenQuery, scope: string): Promise<Authorization> => {
    const { service } = query.challenge.parameters
    const realm = parseRealm(query.challenge.parameters['realm'], origin)
    const { token, lifetime } = await fetchToken({
      http,
      retry,
      registry,
      realm,
      scope,
      ...(service === undefined ? {} : { service }),
      ...(query.credentials === undefined ? {} : { credentials: query.credentials }),
    })
    return { authorization: `Bearer ${token}`, expires: now() + lifetime - MARGIN }
  }
  return {
    async get(query) {
      const { realm = '', service = '', scope: asked = '' } = query.challenge.parameters
      // Docker Hub's /v2/ names no scope, ECR Public names "aws": what the challenge says is used, what it leaves out is computed.
      const scope = asked === '' && query.repository !== '' ? `repository:${query.repository}:pull` : asked
      const key = JSON.stringify([realm, service, scope, query.credentials?.origin, query.credentials?.username])
      const cached = known.get(key)
      if (cached !== undefined && now() < cached.expires && cached.authorization !== query.rejected) return cached
      const loading = running.get(key) ?? load(query, scope).finally(() => running.delete(key))
      running.set(key, loading)
      const authorization = await loading
      known.set(key, authorization)
      return authorization
    },
  }
}
