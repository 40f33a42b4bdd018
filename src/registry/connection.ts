import { isRegistrishError } from '../errors.ts'
import { type Authorizer, createAuthorizer } from '../http/auth.ts'
import { parseChallenges } from '../http/challenge.ts'
import type { HttpClient, HttpResponse } from '../http/client.ts'
import type { CredentialFinder } from '../http/credentials.ts'
import type { Retry } from '../http/retry.ts'
import { passingFailure } from '../http/status.ts'
import { speaksTls } from '../http/tls-probe.ts'
import { apiHostOf, isLoopback } from '../oci/reference.ts'

/** What a connection is made of. */
export interface ConnectionOptions {
  /** Host and port as in image names; docker.io for Docker Hub. */
  readonly registry: string
  /** Speak plain HTTP, whatever the host. */
  readonly plainHttp: boolean
  readonly http: HttpClient
  readonly retry: Retry
  readonly credentials: CredentialFinder
  /** Default `Date.now`. */
  readonly now?: () => number
}

/** One request to a registry and what to make of the answer. */
interface Exchange<T> {
  /** What it is about, for progress. */
  readonly what: string
  /** Repository whose permissions it needs. */
  readonly repository: string
  /** Path and query, `/v2/…`. */
  readonly path: string
  /** Default GET. */
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  /** As of the same name in HttpRequest. */
  readonly reuse?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Whether a broken connection is left to the caller, who knows how to go on. Default false. */
  readonly onlyAnswers?: boolean
  /** Reads the answer; repeated with a new one where the connection breaks. `isElsewhere`: a redirect led to another host, which gave it. */
  read(response: HttpResponse, isElsewhere: boolean): Promise<T>
}

/** Requests to one registry: over HTTPS or plain HTTP as it speaks, repeated where that may help, with the credentials it asks for. */
export interface Connection {
  readonly registry: string
  readonly http: HttpClient
  readonly authorizer: () => Promise<Authorizer>
  /** Where requests go. */
  readonly origin: () => Promise<URL>
  /** @throws RegistrishError `unauthorized`, `rate-limited`, `unreachable`, `timeout`, `aborted`, and what `read` throws. */
  exchange<T>(exchange: Exchange<T>): Promise<T>
}

/** Makes a {@link Connection}; nothing is sent before the first exchange. */
export function createConnection(options: ConnectionOptions): Connection {
  const { registry, http } = options
  let beginning: Promise<Beginning> | undefined
  const begin = async (): Promise<Beginning> => {
    beginning ??= start(options)
    return beginning
  }
  return {
    registry,
    http,
    authorizer: async () => (await begin()).authorizer,
    origin: async () => (await begin()).origin,
    async exchange(exchange) {
      return perform(exchange, { options, ...(await begin()) })
    },
  }
}

async function start(options: ConnectionOptions): Promise<Beginning> {
  await options.credentials.check()
  const origin = await chooseOrigin(options.registry, options.plainHttp)
  return { origin, authorizer: createAuthorizer({ ...options, origin }) }
}

interface Beginning {
  readonly origin: URL
  readonly authorizer: Authorizer
}

/** HTTPS, but plain HTTP where that was asked for, and for a registry on this machine that speaks no TLS. */
async function chooseOrigin(registry: string, plainHttp: boolean): Promise<URL> {
  const host = apiHostOf(registry)
  const [https, http] = [new URL(`https://${host}`), new URL(`http://${host}`)]
  if (plainHttp) return http
  if (!isLoopback(registry)) return https
  const port = https.port === '' ? 443 : Number(https.port)
  return (await speaksTls(https.hostname.replace(/^\[(.*)\]$/, '$1'), port)) === true ? https : http
}

interface Performing extends Beginning {
  readonly options: ConnectionOptions
}

async function perform<T>(exchange: Exchange<T>, performing: Performing): Promise<T> {
  const { repository, signal } = exchange
  const { authorizer } = performing
  let authorization = await authorizer.header(repository, signal)
  for (let isSecond = false; ; isSecond = true) {
    const answer = await send(exchange, performing, { authorization, isSecond })
    if (!('refusal' in answer)) return answer.read
    if (isSecond) throw await authorizer.refused(repository)
    const challenges = parseChallenges(answer.refusal)
    try {
      authorization = await authorizer.renew(repository, { challenges, rejected: authorization }, signal)
    } catch (error) {
      // What is not about the token is answered alike once more, and then read.
      if (!answer.isDoubtful || !isRegistrishError(error, 'unauthorized')) throw error
    }
  }
}

interface Sending {
  readonly authorization: string | undefined
  readonly isSecond: boolean
}

/** What came of it: what `read` made of the answer, or the registry's challenge; `isDoubtful` where it may be no refusal at all. */
type Sent<T> = { readonly read: T } | { readonly refusal: string | undefined; readonly isDoubtful: boolean }

async function send<T>(exchange: Exchange<T>, performing: Performing, sending: Sending): Promise<Sent<T>> {
  const { what, path, method = 'GET', headers = {}, reuse = false, signal, onlyAnswers = false } = exchange
  const { options, origin } = performing
  const { authorization } = sending
  return options.retry.run<Sent<T>>({
    what,
    onlyAnswers,
    ...(signal === undefined ? {} : { signal }),
    async attempt() {
      // Joined, not resolved: a path from a link may begin with "//host", which would lead elsewhere, credentials and all.
      const response = await options.http.request(new URL(`${origin.origin}${path}`), {
        method,
        reuse,
        headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
        ...(signal === undefined ? {} : { signal }),
        ...(options.plainHttp ? { mayBePlain: () => true } : {}),
      })
      const failure = await passingFailure(response, options.registry)
      if (failure !== undefined) return failure
      const isElsewhere = response.url.origin !== origin.origin
      if (isElsewhere || !isRefusal(response.status, sending)) {
        return { value: { read: await exchange.read(response, isElsewhere) } }
      }
      await response.discard()
      return { value: { refusal: response.header('www-authenticate'), isDoubtful: response.status !== 401 } }
    },
  })
}

/** 401; and 400 for a token that was good before: so ECR Public refuses an expired one, without a challenge, and others an address that they do not know. */
function isRefusal(status: number, { authorization, isSecond }: Sending): boolean {
  return status === 401 || (status === 400 && !isSecond && authorization?.startsWith('Bearer ') === true)
}
