import { isIP } from 'node:net'
import { RegistrishError } from '../../errors.ts'
import { reachOf } from '../../http/local-address.ts'
import { quote } from '../../oci/digest.ts'
import { quoteUrl } from '../quote-url.ts'
import type { GcsPlace } from './calls.ts'

/** A bucket as a user names it. */
export interface GcsTargetInput {
  /** `bucket` or `gs://bucket`. */
  readonly bucket: string
  /** URL of the service; a host alone for one of this machine, as STORAGE_EMULATOR_HOST may be. */
  readonly endpoint?: string | undefined
  /** What STORAGE_EMULATOR_HOST says: as an endpoint, but nobody logs in there. */
  readonly emulator?: string | undefined
}

/** A bucket, and how it is reached. */
export interface GcsTarget extends GcsPlace {
  /** What the user should know, a sentence each. */
  readonly notes: readonly string[]
}

/** Where Cloud Storage is. */
const GOOGLE = 'https://storage.googleapis.com'

/** Parses a bucket as a user names it. Nobody logs in to an emulator or where anyone could read the token: on loopback, in plain HTTP. @throws RegistrishError `usage`. */
export function parseGcsTarget({ bucket: given, endpoint, emulator }: GcsTargetInput): GcsTarget {
  const bucket = parseBucket(given)
  const url = new URL(parseEndpoint(endpoint ?? emulator ?? GOOGLE, endpoint === undefined ? EMULATOR : FLAG))
  const isEmulator = endpoint === undefined && emulator !== undefined
  const isNear = reachOf(url.hostname) === 'loopback'
  const isPlain = url.protocol === 'http:'
  const target = { bucket, endpoint: url.origin, anonymous: isEmulator || isNear || isPlain }
  return { ...target, notes: [...notesOf(target, isPlain && !isNear)] }
}

/** The host that clients pull from; undefined where the service is not Google's own, or the name has dots, which its certificate does not fit. */
export function publicHostOf({ bucket, endpoint }: Pick<GcsPlace, 'bucket' | 'endpoint'>): string | undefined {
  return endpoint === GOOGLE && !bucket.includes('.') ? `${bucket}.storage.googleapis.com` : undefined
}

const FLAG = '--gcs-endpoint'
const EMULATOR = 'STORAGE_EMULATOR_HOST'

function parseBucket(given: string): string {
  const text = given.replace(/^gs:\/\//, '')
  const [bucket = '', ...rest] = text.split('/')
  if (/^[a-z][a-z0-9+.-]*:|@/i.test(text))
    throw usage(`${quoteUrl(given)} is not a bucket`, 'give its name alone: --gcs bucket, or --gcs gs://bucket')
  if (rest.join('') !== '') {
    throw usage(
      `${quoteUrl(given)} names a folder of a bucket: clients ask for /v2/ at the root of a host, and an image's name has no room for a path before it`,
      `give the registry a bucket of its own: --gcs ${bucket}-registry`,
    )
  }
  const problem = PROBLEMS.find(({ when }) => when(bucket))
  if (problem !== undefined) throw usage(`${quote(bucket)} ${problem.text}`, ANOTHER)
  return bucket
}

const ANOTHER =
  'a bucket has 3 to 63 small letters, digits and hyphens, such as my-registry; take another, its name is part of the image names'

/** Cloud Storage, "Bucket names"; and the name becomes the first part of the host that clients pull from. */
const PROBLEMS: readonly { readonly when: (bucket: string) => boolean; readonly text: string }[] = [
  { when: bucket => bucket === '', text: 'names no bucket' },
  {
    when: bucket => /^[\w.-]+$/.test(bucket) && /[A-Z_]/.test(bucket),
    text: 'has capital letters or an underscore: host names have none, so clients cannot pull from such a bucket',
  },
  { when: bucket => bucket.length < 3 || bucket.length > 63, text: 'is not of 3 to 63 characters' },
  {
    when: bucket => !/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/.test(bucket) || /\.\.|\.-|-\./.test(bucket),
    text: "is not a bucket's name",
  },
  { when: bucket => isIP(bucket) !== 0, text: 'is an address, not a bucket' },
  { when: bucket => bucket.startsWith('goog'), text: 'begins as names that Google keeps to itself' },
]

/** Narrower than URLs are: the host stands in commands that we print. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/

/** The origin of a URL. A host alone is one of an emulator, or of this machine, in plain HTTP, or else speaks HTTPS. */
function parseEndpoint(given: string, name: string): string {
  const url = /^https?:\/\//i.test(given) ? parseUrl(given) : parseHost(given, name === EMULATOR)
  if (url === undefined || url.username !== '' || url.password !== '' || !HOST.test(url.hostname))
    throw usage(
      `${name} ${quoteUrl(given)} is not an endpoint`,
      `write it as ${FLAG} https://host or http://host:port, with no user before the host`,
    )
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw usage(`${name} ${quoteUrl(given)} has a path: an endpoint is the root of a host`, `try ${FLAG} ${url.origin}`)
  return url.origin
}

function parseHost(text: string, isEmulator: boolean): URL | undefined {
  if (text.includes('://')) return undefined
  const plain = parseUrl(`http://${text}`)
  const isPlain = isEmulator || (plain !== undefined && reachOf(plain.hostname) === 'loopback')
  return isPlain ? plain : parseUrl(`https://${text}`)
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

function* notesOf({ bucket, endpoint }: GcsPlace | Omit<GcsTarget, 'notes'>, isPlain: boolean): Generator<string> {
  if (isPlain) {
    yield `${endpoint} is plain HTTP: nobody logs in there, and who stands between can read what is sent, and change what is pulled by tag`
  }
  if (bucket.includes('.')) {
    yield `${bucket} has a dot: the certificate of the service, a wildcard, does not match its host, so clients cannot pull from there; take a bucket without dots, or put a load balancer with a name of your own before it`
  }
}

function usage(message: string, hint: string): RegistrishError {
  return new RegistrishError('usage', message, { hint })
}
