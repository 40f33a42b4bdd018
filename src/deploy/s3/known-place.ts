import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'
import type { Environment } from '../../http/proxy.ts'
import { type Base, isPathStyle, type S3Place } from './place.ts'
import type { S3Credentials } from './sign.ts'

/** What the SDK would find out, known without it: to load it takes a fifth of a second. */
export interface KnownPlace {
  readonly base: Base
  credentials(): Promise<S3Credentials>
}

/**
 * Where a bucket is and who asks, as far as flags and environment say it as plainly as that the SDK could come to nothing else: credentials in the
 * environment, and an endpoint, or a region of AWS proper. Undefined for all else, which the SDK makes out by hundreds of rules.
 */
export function knownPlace(place: S3Place, env: Environment = process.env): KnownPlace | undefined {
  const credentials = credentialsOf(env)
  if (credentials === undefined || UNUSUAL.some(name => filled(env[name]) !== undefined)) return undefined
  const region = place.region ?? filled(env['AWS_REGION'])
  if (!BUCKETS.test(place.bucket) || !filesSayNothing(env, region)) return undefined
  const endpoint = place.endpoint ?? filled(env['AWS_ENDPOINT_URL_S3']) ?? filled(env['AWS_ENDPOINT_URL'])
  const base = endpoint === undefined ? baseOnAws(place, region) : baseAt(endpoint, place, region)
  return base === undefined ? undefined : { base, credentials: async () => credentials }
}

/** Names that stand before any host, and are of no other kind of bucket (`--x-s3`). */
const BUCKETS = /^(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])+$/

/** Variables that have the SDK take other credentials, hosts or ways to sign, or take them anew when they expire. */
const UNUSUAL: readonly string[] = [
  'AWS_PROFILE',
  'AWS_CREDENTIAL_EXPIRATION',
  'AWS_CREDENTIAL_SCOPE',
  'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
  'AWS_USE_FIPS_ENDPOINT',
  'AWS_USE_DUALSTACK_ENDPOINT',
  'AWS_AUTH_SCHEME_PREFERENCE',
  'AWS_SIGV4A_SIGNING_REGION_SET',
]

function filled(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}

/** As `fromEnv` of the SDK's chain, which comes first where no profile is named. */
function credentialsOf(env: Environment): S3Credentials | undefined {
  const [accessKeyId, secretAccessKey] = [filled(env['AWS_ACCESS_KEY_ID']), filled(env['AWS_SECRET_ACCESS_KEY'])]
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  const sessionToken = filled(env['AWS_SESSION_TOKEN'])
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}

/** Whether no file of the SDK's names a place or a way to sign: then they could only hold credentials, and those at hand come first. */
function filesSayNothing(env: Environment, region: string | undefined): boolean {
  const words =
    region === undefined ? /region|endpoint|services|use_|sigv4|scheme/ : /endpoint|services|use_|sigv4|scheme/
  const home = filled(env['HOME']) ?? filled(env['USERPROFILE']) ?? homedir()
  const files = [
    filled(env['AWS_CONFIG_FILE']) ?? join(home, '.aws', 'config'),
    filled(env['AWS_SHARED_CREDENTIALS_FILE']) ?? join(home, '.aws', 'credentials'),
  ]
  return files.every(file => {
    try {
      return !words.test(readFileSync(file, 'utf8'))
    } catch (error) {
      return systemCode(error) === 'ENOENT'
    }
  })
}

function baseOnAws({ bucket, pathStyle = false }: S3Place, region: string | undefined): Base | undefined {
  if (region === undefined || !AWS_REGIONS.test(region)) return undefined
  const host = `s3.${region}.amazonaws.com`
  return {
    url: new URL(`https://${pathStyle ? `${host}/${bucket}/` : `${bucket}.${host}`}`),
    region,
    isHost: !pathStyle,
  }
}

/** Of the partition that is called `aws` (AWS SDKs, partitions.json). */
const AWS_REGIONS = /^(?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d+$/

function baseAt(endpoint: string, place: S3Place, region = 'us-east-1'): Base | undefined {
  if (!URL.canParse(endpoint) || !REGIONS.test(region) || /fips|global/.test(region)) return undefined
  const { protocol, hostname, host, origin, href } = new URL(endpoint)
  if (!/^https?:$/.test(protocol) || href !== `${origin}/` || !HOSTS.test(hostname)) return undefined
  const isHost = !isPathStyle(place) && !isIPv4(hostname)
  const url = new URL(isHost ? `${protocol}//${place.bucket}.${host}` : `${origin}/${place.bucket}/`)
  return { url, region, isHost }
}

const REGIONS = /^[a-z0-9](?:-?[a-z0-9])*$/
const HOSTS = /^[a-z0-9](?:[.-]?[a-z0-9])*$/
