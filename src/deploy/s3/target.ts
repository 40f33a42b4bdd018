import { isIP } from 'node:net'
import { RegistrishError } from '../../errors.ts'
import { reachOf } from '../../http/local-address.ts'
import { quote } from '../../oci/digest.ts'
import { quoteUrl } from '../quote-url.ts'
import { checkBucketName } from './bucket-name.ts'

/** A bucket as a user names it. */
export interface S3TargetInput {
  /** `bucket` or `s3://bucket`. */
  readonly bucket: string
  /** URL or host of a store that is not AWS: `https://s3.fr-par.scw.cloud`, `localhost:9000`. */
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  /** Name the bucket in the path of requests, not in their host. Default false; always so where the endpoint is an address or localhost. */
  readonly pathStyle?: boolean | undefined
  /** Canned access list to be sent with each public object. Default: none, which most stores want. */
  readonly acl?: string | undefined
}

/** A bucket, and how it is reached. */
export interface S3Target {
  readonly bucket: string
  /** Origin of the store, without a slash at the end; undefined: AWS. */
  readonly endpoint?: string
  /** As given, or as the endpoint's name says it; undefined: what the environment or the profile say and, at an endpoint, `us-east-1` at last. */
  readonly region?: string
  readonly pathStyle: boolean
  readonly acl?: string
  /** What the user should know, a sentence each. */
  readonly notes: readonly string[]
}

/** Parses a bucket as a user names it. @throws RegistrishError `usage`. */
export function parseS3Target({ bucket: given, endpoint, region, pathStyle, acl }: S3TargetInput): S3Target {
  const bucket = parseBucket(given)
  const origin = endpoint === undefined ? undefined : parseEndpoint(endpoint, bucket)
  const place = region === undefined ? regionOfHost(origin?.hostname) : parseRegion(region)
  const target = {
    bucket,
    ...(origin === undefined ? {} : { endpoint: origin.origin }),
    ...(place === undefined ? {} : { region: place }),
    pathStyle: pathStyle === true || (origin !== undefined && hasNoHostsBelow(origin.hostname)),
    ...(acl === undefined ? {} : { acl: parseAcl(acl) }),
  }
  return { ...target, notes: [...notesOf(target)] }
}

/**
 * The host that clients pull from, the bucket's own; undefined where it has none: in path style, and on AWS where the region is not known.
 * `region` is what the store found out, where the target does not say it.
 */
export function publicHostOf({ bucket, endpoint, region, pathStyle }: S3Target, found?: string): string | undefined {
  if (pathStyle) return undefined
  if (endpoint !== undefined) return `${bucket}.${new URL(endpoint).host}`
  const place = region ?? found
  return place === undefined ? undefined : `${bucket}.${awsHost(place)}`
}

/** The host of AWS' S3 in a region; China's is another partition. */
export function awsHost(region: string): string {
  return `s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

function parseBucket(given: string): string {
  const text = given.replace(/^s3:\/\//, '')
  const [bucket = '', ...rest] = text.split('/')
  if (/^[a-z][a-z0-9+.-]*:|@/i.test(text)) {
    throw usage(`${quoteUrl(given)} is not a bucket`, 'give its name alone: --s3 bucket, or --s3 s3://bucket')
  }
  if (rest.join('') !== '') {
    throw usage(
      `${quoteUrl(given)} names a folder of a bucket: clients ask for /v2/ at the root of a host, and an image's name has no room for a path before it`,
      `give the registry a bucket of its own: --s3 ${bucket}-registry`,
    )
  }
  checkBucketName(bucket)
  return bucket
}

function parseEndpoint(given: string, bucket: string): URL {
  const url = /^https?:\/\//i.test(given) ? parseUrl(given) : parseHost(given)
  if (url === undefined || url.username !== '' || url.password !== '' || !HOST.test(url.hostname))
    throw usage(
      `${quoteUrl(given)} is not an endpoint`,
      'give a URL or a host, with no user before it: --s3-endpoint https://s3.example.com',
    )
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw usage(`${quoteUrl(given)} has a path: an endpoint is the root of a host`, `try --s3-endpoint ${url.origin}`)
  if (url.hostname.startsWith(`${bucket}.`)) {
    throw usage(
      `${quoteUrl(given)} is the host of the bucket, not of the store`,
      `leave the bucket out: --s3-endpoint ${url.origin.replace(`//${bucket}.`, '//')}`,
    )
  }
  return url
}

/** Narrower than URLs are: the host stands in commands that we print. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/

/** A host alone: servers of this machine speak plain HTTP, others do not unless told. */
function parseHost(text: string): URL | undefined {
  if (text.includes('://')) return undefined
  const plain = parseUrl(`http://${text}`)
  return plain !== undefined && reachOf(plain.hostname) === 'loopback' ? plain : parseUrl(`https://${text}`)
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

function parseRegion(region: string): string {
  if (/^[A-Za-z0-9-]+$/.test(region)) return region
  throw usage(`${quote(region)} is not a region`, 'a region is a short name, such as eu-west-1, fr-par or auto')
}

/** Canned access lists (https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl). */
const ACLS = [
  'public-read',
  'private',
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
]

function parseAcl(acl: string): string {
  if (ACLS.includes(acl)) return acl
  const reason =
    acl === 'public-read-write' ? 'would let anyone write' : `is not one of S3's access lists: ${ACLS.join(', ')}`
  throw usage(
    `--s3-acl ${acl} ${reason}`,
    'public-read lets anyone read; a bucket with a policy (registrish setup) needs none',
  )
}

/** An address has no names below it, and those below localhost lead nowhere on most machines. */
function hasNoHostsBelow(hostname: string): boolean {
  return hostname === 'localhost' || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0
}

/** The region that a provider's host name says. */
function regionOfHost(hostname: string | undefined): string | undefined {
  if (hostname === undefined) return undefined
  if (/(?:^|\.)r2\.cloudflarestorage\.com$/.test(hostname) || hostname === 'storage.googleapis.com') return 'auto'
  return REGION_IN_HOST.map(pattern => pattern.exec(hostname)?.[1]).find(region => region !== undefined)
}

const REGION_IN_HOST: readonly RegExp[] = [
  /^s3\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|scw\.cloud|backblazeb2\.com|wasabisys\.com|(?:io|perf)\.cloud\.ovh\.(?:net|us))$/,
  /^([a-z0-9-]+)\.digitaloceanspaces\.com$/,
]

function* notesOf(target: Omit<S3Target, 'notes'>): Generator<string> {
  const { bucket, endpoint, pathStyle } = target
  const isPlain = endpoint?.startsWith('http:') === true
  if (isPlain && reachOf(new URL(endpoint ?? '').hostname) !== 'loopback')
    yield `${endpoint} is plain HTTP: who stands between can read what is sent, and change what is pulled by tag`
  if (pathStyle) {
    yield `path style serves uploads only: clients ask for /v2/ at the root of a host, so they need a host that leads to the bucket's root`
  } else if (bucket.includes('.') && !isPlain) {
    yield `${bucket} has a dot: the store's certificate, a wildcard, does not match its host, so clients cannot pull from there; take a bucket without dots, or put a CDN with a name of your own before it`
  }
}

function usage(message: string, hint: string): RegistrishError {
  return new RegistrishError('usage', message, { hint })
}
