import { abortedError, isRegistrishError, messageOf, RegistrishError, systemCode } from '../errors.ts'

/** What a request was about when it failed. */
export interface FailedRequest {
  readonly url: URL
  /** The proxy that stands in between. */
  readonly proxy?: URL | undefined
  readonly signal?: AbortSignal
  /** How long silence was borne, in ms: for the connection, then for the answer to begin, then between two pieces of it. */
  readonly timeouts: Timeouts
}

/** How long silence is borne, in ms. */
export interface Timeouts {
  readonly connect: number
  readonly header: number
  readonly stall: number
}

/** Translates what undici, a socket or TLS throws into a {@link RegistrishError} of side `source` that names the host and never a path, query or header. */
export function networkError(error: unknown, request: FailedRequest): RegistrishError {
  if (request.signal?.aborted === true) return abortedError(request.signal.reason)
  if (isRegistrishError(error)) return error
  const code = codeOf(error)
  const silent = silenceOf(code, request)
  if (silent !== undefined) return new RegistrishError('timeout', silent, { side: 'source', cause: error, hint: AGAIN })
  const { text, hint } = reasonOf(error, code, request)
  return new RegistrishError('unreachable', text, { side: 'source', cause: error, hint })
}

/** Whether the same request may well succeed a little later. `known`: the host has answered before, so that a refused connection may be a restart. */
export function isTransient(error: unknown, known: boolean): boolean {
  if (!isRegistrishError(error, 'unreachable', 'timeout')) return false
  const code = codeOf(error.cause)
  if (code === 'ECONNREFUSED') return known
  return code !== 'ENOTFOUND' && !isCertificate(code) && !isForeignProtocol(error.cause, code) && !isTunnel(error.cause)
}

/** Whether TLS failed because the other end speaks something else. */
export function isForeignProtocol(error: unknown, code: string = codeOf(error)): boolean {
  if (FOREIGN.has(code)) return true
  return code === 'EPROTO' && /wrong version number|packet length too long|http request/i.test(messageOf(error))
}

function silenceOf(code: string, { url, proxy, timeouts }: FailedRequest): string | undefined {
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return `no connection to ${peer(url, proxy)} within ${timeouts.connect / 1000} s`
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return `${url.host} did not answer for ${timeouts.header / 1000} s`
  if (code === 'UND_ERR_BODY_TIMEOUT') return `${url.host} stalled: it sent nothing for ${timeouts.stall / 1000} s`
  return undefined
}

function reasonOf(
  error: unknown,
  code: string,
  { url, proxy }: FailedRequest,
): { readonly text: string; readonly hint: string } {
  const { host } = url
  if (code === 'ENOTFOUND') {
    return {
      text: `there is no host called ${peer(url, proxy)}`,
      hint: 'check the spelling, the network and the proxy variables',
    }
  }
  if (code === 'ECONNREFUSED') {
    return {
      text: `${peer(url, proxy)} refuses connections: nothing listens there`,
      hint: 'is it running, and on that port?',
    }
  }
  if (isForeignProtocol(error, code)) {
    return {
      text: `${host} does not speak HTTPS: it speaks plain HTTP`,
      hint: 'add --plain-http if nobody can listen or interfere on the way to it',
    }
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      text: `the certificate of ${host} is for another name (${code})`,
      hint: 'ask for the registry by the name in its certificate',
    }
  }
  if (isCertificate(code)) {
    return {
      text: `the certificate of ${host} is not trusted: ${messageOf(error)} (${code})`,
      hint: 'name the authority that signed it: --ca-file FILE',
    }
  }
  if (isTunnel(error)) {
    return { text: `the proxy did not connect to ${host}: ${messageOf(error)}`, hint: 'check HTTPS_PROXY and NO_PROXY' }
  }
  if (/before secure TLS connection/.test(messageOf(error))) {
    return {
      text: `${host} closed the connection during the TLS handshake`,
      hint: 'if it speaks plain HTTP, add --plain-http',
    }
  }
  return { text: `the connection to ${host} broke: ${messageOf(error) || code}`, hint: AGAIN }
}

/** Whom the connection was meant to reach first. */
function peer(url: URL, proxy: URL | undefined): string {
  return proxy === undefined ? url.host : `the proxy ${proxy.host}`
}

const AGAIN = 'run the same command again: what was downloaded is kept and resumed'

const FOREIGN = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST'])

/** Codes of failed certificate checks (OpenSSL's X509_V_ERR_… without the prefix, and Node's own). */
const CERTIFICATE =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)/

function isCertificate(code: string): boolean {
  return CERTIFICATE.test(code)
}

/** undici gives a refused CONNECT no code of its own. */
function isTunnel(error: unknown): boolean {
  return /HTTP Tunneling|Proxy Authentication Required/.test(messageOf(error))
}

function codeOf(error: unknown): string {
  return systemCode(error) ?? ''
}
