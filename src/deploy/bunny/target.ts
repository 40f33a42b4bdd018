import { RegistrishError } from '../../errors.ts'
import { reachOf } from '../../http/local-address.ts'
import { quote } from '../../oci/digest.ts'
import { quoteUrl } from '../quote-url.ts'
import type { BunnyPlace } from './calls.ts'

/** A storage zone as a user names it. */
export interface BunnyTargetInput {
  readonly zone: string
  /** Its main region: `de`, `ny`… Default `de`. */
  readonly region?: string | undefined
  /** URL of another endpoint, as of a proxy. */
  readonly endpoint?: string | undefined
}

/** Parses a storage zone as a user names it. @throws RegistrishError `usage`. */
export function parseBunnyTarget({ zone: given, region, endpoint }: BunnyTargetInput): BunnyPlace {
  const [zone = '', ...rest] = given.replace(/^bunny:\/\//, '').split('/')
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(zone))
    throw usage(
      `${quoteUrl(given)} is no name of a storage zone`,
      'it has letters, digits and hyphens: --bunny my-registry',
    )
  if (rest.join('') !== '') {
    throw usage(
      `${quoteUrl(given)} names a folder of a zone: clients ask for /v2/ at the root of a host, and an image's name has no room for a path before it`,
      `give the registry a zone of its own: --bunny ${zone}-registry`,
    )
  }
  if (endpoint !== undefined && region !== undefined)
    throw usage('--bunny-endpoint and --bunny-region both say where the zone is', 'leave one of them out')
  return { zone, endpoint: endpoint === undefined ? endpointOf(region ?? 'de') : parseEndpoint(endpoint) }
}

/** Each region has an endpoint (bunny.net, "Storage endpoints"); new ones are named alike. */
function endpointOf(region: string): string {
  const code = region.toLowerCase()
  if (!/^[a-z]{2,4}$/.test(code))
    throw usage(`${quote(region)} is no region`, `the main region of the zone, one of ${REGIONS.join(', ')}`)
  return code === 'de' ? 'https://storage.bunnycdn.com' : `https://${code}.storage.bunnycdn.com`
}

const REGIONS = ['de', 'uk', 'ny', 'la', 'sg', 'se', 'br', 'jh', 'syd']

function parseEndpoint(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined
  const isRoot = url?.pathname === '/' && url.search === '' && url.hash === '' && url.username + url.password === ''
  if (url === undefined || !isRoot || !/^https?:$/.test(url.protocol))
    throw usage(
      `${quoteUrl(given)} is not an endpoint`,
      'write it as --bunny-endpoint https://host, with no user before the host',
    )
  if (url.protocol === 'http:' && reachOf(url.hostname) !== 'loopback')
    throw usage(`${url.origin} is plain HTTP: anyone on the way could read the password of the zone`, 'write https://')
  return url.origin
}

function usage(message: string, hint: string): RegistrishError {
  return new RegistrishError('usage', message, { hint })
}
