import { isRegistrishError, type RegistrishError } from '../errors.ts'
import { type Authorizer, createAuthorizer } from '../http/auth.ts'
import { createHttpClient, type HttpClient } from '../http/client.ts'
import { createCredentialFinder } from '../http/credentials.ts'
import { isForeignProtocol } from '../http/network-error.ts'
import type { Environment } from '../http/proxy.ts'
import { createRetry, type Sleep } from '../http/retry.ts'
import { speaksTls } from '../http/tls-probe.ts'
import { apiHostOf, isLoopback } from '../oci/reference.ts'
import { createAsk } from './ask.ts'
import { chooseImage } from './choose-image.ts'
import { startDeadline } from './deadline.ts'
import { LIMITED, whyShut } from './no-image.ts'
import type { Observations } from './observations.ts'
import { observeImage } from './observe-image.ts'
import { createPatience } from './patience.ts'
import type { DoctorTarget } from './target.ts'

/** How a host is asked. */
export interface ObserveOptions {
  readonly plainHttp?: boolean
  /** PEM file of certificate authorities to trust beside Node's own. */
  readonly caFile?: string
  /** The one file to look for credentials in, should the host ask for any. Default: where docker and podman keep them. */
  readonly authFile?: string
  readonly signal?: AbortSignal
  /** Environment, for proxies and credentials. Default: the process's. */
  readonly env?: Environment
  /** What a request may take from beginning to end, in ms. Default 60 s. */
  readonly deadline?: number
  /** Waits where the host wants to be asked again later. Default: a timer. */
  readonly sleep?: Sleep
}

/** Longest waits, in ms: who is slower than that is slow for clients too. */
const PATIENCE = { connectTimeout: 10_000, headerTimeout: 20_000, stallTimeout: 20_000 }

/** Asks a host for all that the checks need; what goes wrong there is an observation. @throws RegistrishError `usage`, `aborted`. */
export async function observe(target: DoctorTarget, options: ObserveOptions): Promise<Observations> {
  const { caFile, env } = options
  const http = createHttpClient({
    ...PATIENCE,
    ...(caFile === undefined ? {} : { caFile }),
    ...(env === undefined ? {} : { env }),
  })
  try {
    const { origin, failure } = await connect(http, target, options)
    if (failure !== undefined) return { origin, failure }
    return await observeHost(http, { target, origin, options })
  } finally {
    await http.close()
  }
}

interface Observing {
  readonly target: DoctorTarget
  readonly origin: URL
  readonly options: ObserveOptions
}

async function observeHost(http: HttpClient, { target, origin, options }: Observing): Promise<Observations> {
  const { authFile, env, signal, sleep, deadline } = options
  const credentials = createCredentialFinder({
    ...(authFile === undefined ? {} : { authFile }),
    ...(env === undefined ? {} : { env }),
  })
  await credentials.check()
  const registry = target.host
  const isSafe = mayLogIn(origin, target, options)
  const retry = createRetry(sleep === undefined ? {} : { sleep })
  const logIn = (): Authorizer | undefined =>
    isSafe ? createAuthorizer({ registry, origin, http, credentials, retry }) : undefined
  const asking = { http, origin, patience: createPatience({ sleep, signal }), signal, deadline }
  const ask = createAsk({ ...asking, authorizer: logIn() })
  const choice = await chooseImage(ask, target)
  const tried = 'none' in choice ? choice : { image: await observeImage(ask, choice) }
  // Clients log in by what /v2/ says, with the scope of the image: that is tried apart from what the image itself asks for.
  const version = await createAsk({
    ...asking,
    authorizer: logIn(),
    repository: 'image' in tried ? choice.repository : undefined,
  })('/v2/')
  const plainAsked = options.plainHttp === true || target.scheme === 'http'
  const seen = { origin, plainAsked, version }
  if (asking.patience.isLimited()) return { ...seen, noImage: LIMITED }
  const about = { host: registry, repository: choice.repository, credentials }
  if ('image' in tried) {
    const shut = await whyShut(tried.image.tag.get, about)
    return shut === undefined ? { ...seen, image: tried.image } : { ...seen, noImage: shut }
  }
  const none = (await whyShut(tried.list, about)) ?? tried.none
  return { ...seen, noImage: `${none}; or name one: registrish doctor host/name:tag` }
}

/** Credentials go out in plain HTTP to this machine only, or where plain HTTP was asked for: that no TLS is spoken may be somebody's doing. */
function mayLogIn({ protocol }: URL, { host, scheme }: DoctorTarget, { plainHttp = false }: ObserveOptions): boolean {
  return protocol === 'https:' || plainHttp || scheme === 'http' || isLoopback(host)
}

/** Finds out whether HTTPS or plain HTTP is spoken, by one request whose answer does not matter. */
async function connect(
  http: HttpClient,
  target: DoctorTarget,
  { plainHttp = false, signal, deadline: longest }: ObserveOptions,
): Promise<Pick<Observations, 'origin' | 'failure'>> {
  const host = apiHostOf(target.host)
  const [https, plain] = [new URL(`https://${host}`), new URL(`http://${host}`)]
  const first = plainHttp || target.scheme === 'http' || (await isPlainHere(target)) ? plain : https
  for (const origin of first === https && target.scheme === undefined ? [https, plain] : [first]) {
    const deadline = startDeadline(signal, longest)
    try {
      const response = await http.request(new URL('/v2/', origin), { follow: false, signal: deadline.signal })
      await response.discard()
      return { origin }
    } catch (error) {
      if (!isRegistrishError(error)) throw error
      if (deadline.isOver())
        return { origin, failure: { of: 'connection', text: `${origin.host} did not answer in ${deadline.text}` } }
      if (error.code === 'aborted') throw error
      if (origin === https && isForeignProtocol(error.cause)) continue
      return { origin, failure: describe(error) }
    } finally {
      deadline.stop()
    }
  }
  throw new TypeError(`${target.host} speaks no TLS and was not asked without`)
}

async function isPlainHere({ host, scheme }: DoctorTarget): Promise<boolean> {
  if (scheme !== undefined || !isLoopback(host)) return false
  const { hostname, port } = new URL(`https://${host}`)
  return (await speaksTls(hostname.replace(/^\[(.*)\]$/, '$1'), port === '' ? 443 : Number(port))) === false
}

function describe({ message, hint }: RegistrishError): NonNullable<Observations['failure']> {
  const of = /certificate|TLS|HTTPS/.test(message) ? 'tls' : 'connection'
  return { of, text: message, ...(hint === undefined ? {} : { hint }) }
}
