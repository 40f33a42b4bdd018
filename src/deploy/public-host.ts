import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import { DOCKER_HUB, parseReference } from '../oci/reference.ts'
import { quoteUrl } from './quote-url.ts'

/** Where users pull from. */
export interface PublicHost {
  /** What stands before the repository in the name of an image: `registry.example.com`, `localhost:5000`. */
  readonly host: string
  /** `https://registry.example.com`, without a slash at the end. */
  readonly origin: string
  readonly plainHttp: boolean
}

/** Parses what a user writes for it: `host[:port]`, or a URL without a path. `plainHttp`: speak plain HTTP, also where no URL says so. @throws RegistrishError `usage`. */
export function parsePublicHost(
  text: string,
  { plainHttp = false }: { readonly plainHttp?: boolean } = {},
): PublicHost {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== 'https' && scheme !== 'http')
    throw usage(`${quoteUrl(text)} is no address of a registry`, GRAMMAR)
  if (scheme === 'https' && plainHttp)
    throw usage(
      `${quoteUrl(text)} says HTTPS, --plain-http says HTTP`,
      'leave --plain-http out, or write the host alone',
    )
  const url = parseUrl(scheme === undefined ? `https://${text}` : text)
  if (url === undefined) throw usage(`${quoteUrl(text)} is no host`, GRAMMAR)
  const port = /:(\d+)$/.exec(authorityOf(text))?.[1]
  if (url.username !== '' || url.password !== '') throw hasCredentials(url.hostname)
  // The URL class drops a default port; Docker takes a name without a dot for a host only with its port.
  const isNeeded = port !== undefined && (scheme === undefined || !isHost(url.hostname))
  const host = isNeeded ? `${url.hostname}:${Number(port)}` : url.host
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') throw hasPath(text, host)
  if (!isHost(host)) throw noHost(host)
  const isPlain = scheme === 'http' || plainHttp
  return { host, origin: `${isPlain ? 'http' : 'https'}://${host}`, plainHttp: isPlain }
}

const GRAMMAR = 'write the host that users pull from, as in docker pull HOST/image: --url registry.example.com'

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

/** What stands between the scheme and the path. */
function authorityOf(text: string): string {
  return text.replace(/^[^:/]*:\/\//, '').replace(/[/?#].*$/s, '')
}

/** Whether Docker takes the beginning of an image's name for a host: it has a dot or a port, or is localhost (distribution/reference). */
function isHost(host: string): boolean {
  try {
    return ![DOCKER_HUB, ''].includes(parseReference(`${host}/image`).registry)
  } catch {
    return false
  }
}

function hasCredentials(host: string): RegistrishError {
  return usage(
    `--url holds a user or a password for ${host}: clients write no such thing before an image`,
    `log in instead (docker login ${host}), or name a file with --authfile`,
  )
}

function hasPath(text: string, host: string): RegistrishError {
  return usage(
    // No user stands in it by now: an "@" is that of a digest.
    `${quote(text.replace(/[?#].*$/s, ''))} has a path: clients ask for /v2/ at the root of a host, and an image's name has no room for a path before it`,
    `have that host, or one of its own, lead to the root of the bucket, and write --url ${host}`,
  )
}

function noHost(host: string): RegistrishError {
  if (/^[a-z0-9-]+$/.test(host)) {
    return usage(
      `docker takes ${host}/image for an image of Docker Hub: a host has a dot or a port, or is localhost`,
      `write its full name, or its port: --url ${host}:443`,
    )
  }
  return usage(`${quoteUrl(host)} is no host that an image's name can begin with`, GRAMMAR)
}

function usage(message: string, hint: string): RegistrishError {
  return new RegistrishError('usage', message, { hint })
}
