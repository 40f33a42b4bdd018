import { createPrivateKey, randomUUID, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Certificate } from './certificate.ts'

/** What a token server lets whom do. */
export interface TokenServerOptions {
  /** Signs the tokens; the registry trusts it by its `rootcertbundle`. An EC key gives ES256 tokens, an RSA key RS256. */
  readonly certificate: Certificate
  /** Passwords by user name; a known user may pull and push everything. */
  readonly users: Readonly<Record<string, string>>
  /** Repositories whose names start so are closed to the anonymous, who may pull all others. Default `private/`. */
  readonly privatePrefix?: string
  /** The reply's `expires_in`, in seconds; default 300. Clients take less than 60 for 60. */
  readonly expiresIn?: number
  /**
   * Seconds until the token itself expires; default: as `expiresIn`. docker-registry grants 60 seconds more, so that
   * `-59` gives a token that it refuses after about a second.
   */
  readonly lifetime?: number
  /** Speaks HTTPS with this certificate. */
  readonly tls?: Certificate
}

/** One request that a token server answered. */
interface TokenRequest {
  readonly method: string
  /** `scope` values as sent; several where several parameters were, or where a form joined them by spaces. */
  readonly scopes: readonly string[]
  /** The user whose password or refresh token was right; undefined for anonymous and refused requests. */
  readonly user: string | undefined
  readonly status: number
}

/** A token server after the distribution project's token and OAuth2 documents. */
export interface TokenServer {
  /** For the registry's `realm`. */
  readonly realm: string
  readonly service: string
  readonly issuer: string
  /** What was asked, oldest first; grows while the server runs. */
  readonly requests: readonly TokenRequest[]
  readonly stop: () => Promise<void>
}

/** Starts a token server on a free loopback port, in this process. GET with Basic or no credentials, and POST forms
 * (`password`, and `refresh_token` with the `refresh_token` that a reply with `offline_token=true` or `access_type=offline` gave). */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const requests: TokenRequest[] = []
  const refreshTokens = new Map<string, string>()
  const listener: RequestListener = (request, response) => {
    answer(request, response, { options, refreshTokens, requests }).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  }
  const { tls } = options
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  const port = await listen(server)
  return {
    // By name: crane and cosign refuse a realm that is a loopback address.
    realm: `${tls === undefined ? 'http' : 'https'}://localhost:${port}/token`,
    service,
    issuer,
    requests,
    stop: () => close(server),
  }
}

const service = 'registrish-e2e'
const issuer = 'registrish-e2e token server'

interface State {
  readonly options: TokenServerOptions
  /** User by refresh token. */
  readonly refreshTokens: Map<string, string>
  readonly requests: TokenRequest[]
}

async function answer(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  const query = new URL(request.url ?? '/', 'http://localhost').searchParams
  const form = request.method === 'POST' ? new URLSearchParams(await text(request)) : undefined
  const parameters = form ?? query
  const scopes = parameters.getAll('scope').flatMap(value => value.split(' ').filter(scope => scope !== ''))
  const who = form === undefined ? identifyByHeader(request, state) : identifyByForm(form, state)
  const user = who === 'anonymous' || who === 'refused' ? undefined : who.user
  const status = who === 'refused' ? 401 : 200
  state.requests.push({ method: request.method ?? '', scopes, user, status })
  response.writeHead(status, { 'content-type': 'application/json' })
  if (status !== 200) {
    response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'unknown user or wrong password' }] }))
    return
  }
  const access = scopes.map(scope => grant(scope, { user, prefix: state.options.privatePrefix ?? 'private/' }))
  const wantsRefreshToken = parameters.get('offline_token') === 'true' || parameters.get('access_type') === 'offline'
  const refresh = user !== undefined && wantsRefreshToken ? { refresh_token: newRefreshToken(user, state) } : {}
  response.end(JSON.stringify({ ...reply(access, { user, options: state.options }), ...refresh }))
}

type Who = { readonly user: string } | 'anonymous' | 'refused'

function identifyByHeader(request: IncomingMessage, { options }: State): Who {
  const { authorization } = request.headers
  if (authorization === undefined) return 'anonymous'
  const [, encoded = ''] = /^Basic (.*)$/i.exec(authorization) ?? []
  const [, user = '', password = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  return identify(user, password, options)
}

function identifyByForm(form: URLSearchParams, { options, refreshTokens }: State): Who {
  if (form.get('grant_type') === 'password') {
    return identify(form.get('username') ?? '', form.get('password') ?? '', options)
  }
  const user = refreshTokens.get(form.get('refresh_token') ?? '')
  return user === undefined ? 'refused' : { user }
}

function identify(user: string, password: string, { users }: TokenServerOptions): Who {
  return Object.hasOwn(users, user) && users[user] === password ? { user } : 'refused'
}

function newRefreshToken(user: string, { refreshTokens }: State): string {
  const token = randomUUID()
  refreshTokens.set(token, user)
  return token
}

interface Access {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/** `repository:<name>:<actions>`, less the actions that the user may not do. */
function grant(
  scope: string,
  { user, prefix }: { readonly user: string | undefined; readonly prefix: string },
): Access {
  const [, type = '', name = '', wanted = ''] = /^([^:]*):(.*):([^:]*)$/.exec(scope) ?? []
  const anonymousActions = name.startsWith(prefix) ? [] : ['pull']
  const actions = wanted.split(',').filter(action => user !== undefined || anonymousActions.includes(action))
  return { type, name, actions }
}

function reply(
  access: readonly Access[],
  { user, options }: { readonly user: string | undefined; readonly options: TokenServerOptions },
): object {
  const { certificate, expiresIn = 300, lifetime = expiresIn } = options
  const now = Math.floor(Date.now() / 1000)
  const times = { nbf: now - 120, iat: now, exp: now + lifetime }
  const claims = { iss: issuer, sub: user ?? '', aud: service, ...times, jti: randomUUID(), access }
  const token = signed(claims, certificate)
  return { token, access_token: token, expires_in: expiresIn, issued_at: new Date(now * 1000).toISOString() }
}

/** A JWT in the compact form of RFC 7515. */
function signed(claims: object, { key, x5c }: Certificate): string {
  const alg = createPrivateKey(key).asymmetricKeyType === 'ec' ? 'ES256' : 'RS256'
  const content = [{ typ: 'JWT', alg, x5c: [x5c] }, claims]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${content}.${sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no port'))
      else resolve(address.port)
    })
  })
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise(resolve => server.close(() => resolve()))
}
