import { isRegistrishError, type RegistrishError } from '../errors.ts'
import { createAuthorizer } from '../http/auth.ts'
import { createHttpClient, type HttpClient } from '../http/client.ts'
import { createCredentialFinder } from '../http/credentials.ts'
import { isForeignProtocol } from '../http/network-error.ts'
import type { Environment } from '../http/proxy.ts'
import { createRetry } from '../http/retry.ts'
import { speaksTls } from '../http/tls-probe.ts'
import { isLoopback } from '../oci/reference.ts'
import { type Ask, createAsk } from './ask.ts'
import { chooseImage } from './choose-image.ts'
import type { Observations } from './observations.ts'
import { observeImage } from './observe-image.ts'
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
  const { authFile, env, signal } = options
  const credentials = createCredentialFinder({
    ...(authFile === undefined ? {} : { authFile }),
    ...(env === undefined ? {} : { env }),
  })
  await credentials.check()
  const authorizer = mayLogIn(origin, target, options)
    ? createAuthorizer({ registry: target.host, origin, http, credentials, retry: createRetry({}) })
    : undefined
  let repository = target.image?.repository ?? ''
  const ask: Ask = createAsk({ http, origin, authorizer, signal, repository: () => repository })
  const version = await ask('/v2/')
  const choice = await chooseImage(ask, target)
  const plainAsked = options.plainHttp === true || target.scheme === 'http'
  if ('none' in choice) return { origin, plainAsked, version, noImage: choice.none }
  ;({ repository } = choice)
  return { origin, plainAsked, version, image: await observeImage(ask, choice) }
}

/** Credentials go out in plain HTTP to this machine only, or where plain HTTP was asked for: that no TLS is spoken may be somebody's doing. */
function mayLogIn({ protocol }: URL, { host, scheme }: DoctorTarget, { plainHttp = false }: ObserveOptions): boolean {
  return protocol === 'https:' || plainHttp || scheme === 'http' || isLoopback(host)
}

/** Finds out whether HTTPS or plain HTTP is spoken, by one request whose answer does not matter. */
async function connect(
  http: HttpClient,
  target: DoctorTarget,
  { plainHttp = false, signal }: ObserveOptions,
): Promise<Pick<Observations, 'origin' | 'failure'>> {
  const [https, plain] = [new URL(`https://${target.host}`), new URL(`http://${target.host}`)]
  const first = plainHttp || target.scheme === 'http' || (await isPlainHere(target)) ? plain : https
  for (const origin of first === https && target.scheme === undefined ? [https, plain] : [first]) {
    try {
      const response = await http.request(new URL('/v2/', origin), {
        follow: false,
        ...(signal === undefined ? {} : { signal }),
      })
      await response.discard()
      return { origin }
    } catch (error) {
      if (!isRegistrishError(error) || error.code === 'aborted') throw error
      if (origin === https && isForeignProtocol(error.cause)) continue
      return { origin, failure: describe(error) }
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
