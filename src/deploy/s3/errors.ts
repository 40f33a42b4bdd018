import { type ErrorCode, isRegistrishError, messageOf, RegistrishError } from '../../errors.ts'
import { isTransient } from '../../http/network-error.ts'
import { describeStatus } from '../../http/status.ts'
import type { Refusal } from '../refusal.ts'
import { refusalOf } from './refusal.ts'

/** What a request was about, for messages. */
export interface About {
  readonly bucket: string
  /** As after "cannot": `write v2/alpine/manifests/latest`. */
  readonly doing: string
  /** What has to be allowed: `s3:PutObject`. */
  readonly action: string
}

/** Translates whatever a request to a store failed with into a {@link RegistrishError} of side `target`; what is about the source stays so. */
export function storeError(error: unknown, about: About): RegistrishError {
  const refusal = isRegistrishError(error) ? undefined : refusalOf(error)
  if (refusal !== undefined) return refusedError(refusal, error, about)
  if (isRegistrishError(error)) return isNetwork(error) ? unreachable(error, about) : error
  const name = error instanceof Error ? error.name : ''
  if (CREDENTIALS.test(name) || /could not load credentials|credential is missing/i.test(messageOf(error))) {
    return new RegistrishError('unauthorized', `there are no credentials for s3://${about.bucket}: ${short(error)}`, {
      side: 'target',
      cause: error,
      hint: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws with AWS_PROFILE',
    })
  }
  return new RegistrishError('bad-answer', `cannot ${about.doing} in s3://${about.bucket}: ${short(error)}`, {
    side: 'target',
    cause: error,
    hint: ASTRAY,
  })
}

/** The error for an answer that is none of S3's. */
export function strangeAnswer(about: About, what: string, cause?: unknown): RegistrishError {
  return new RegistrishError('bad-answer', `cannot ${about.doing} in s3://${about.bucket}: ${what}`, {
    side: 'target',
    hint: ASTRAY,
    ...(cause === undefined ? {} : { cause }),
  })
}

const ASTRAY =
  'is it an S3 store that answers there? check --s3-endpoint, and whether a login page or proxy of this network answers in its place'
const AGAIN = 'run the same command again: what was sent is not sent again'
const CREDENTIALS = /^(?:CredentialsProviderError|TokenProviderError|ProviderError|InvalidConfiguration)/

/** The first line; the SDK's say more than anyone wants to know. */
function short(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? ''
}

function isNetwork(error: RegistrishError): boolean {
  return error.code === 'unreachable' || error.code === 'timeout'
}

/** `src/http` speaks of sources; the ways out are others here. */
function unreachable(error: RegistrishError, { bucket, doing }: About): RegistrishError {
  if (error.side === 'target') return error
  const { cause } = error
  const hint = isTransient(error, true) ? again(cause) : (wayOut(cause) ?? error.hint)
  return new RegistrishError(error.code, `cannot ${doing} in s3://${bucket}: ${error.message}`, {
    side: 'target',
    cause,
    ...(hint === undefined ? {} : { hint }),
  })
}

/** Nobody may listen because the store is down for a moment, or because the endpoint is misspelt. */
function again(cause: unknown): string {
  return /ECONNREFUSED/.test(messageOf(cause))
    ? `is the store running, and there? check --s3-endpoint, and ${AGAIN}`
    : AGAIN
}

function wayOut(cause: unknown): string | undefined {
  const text = messageOf(cause)
  if (/ENOTFOUND/.test(text)) {
    return 'check the name of the bucket, --s3-endpoint and --s3-region; a store without host names per bucket needs --s3-path-style'
  }
  return /wrong version|packet length|http request/i.test(text) ? 'write --s3-endpoint with http://' : undefined
}

interface Meaning {
  readonly code: ErrorCode
  readonly text?: string
  readonly hint: string
}

function refusedError(refusal: Refusal, cause: unknown, about: About): RegistrishError {
  const meaning = MEANINGS[refusal.code]?.(refusal, about) ?? byStatus(refusal, about)
  const { code, hint, text = said(refusal) } = meaning
  const side = code === 'digest-mismatch' || code === 'size-mismatch' ? 'source' : 'target'
  return new RegistrishError(code, `cannot ${about.doing} in s3://${about.bucket}: ${text}`, { side, hint, cause })
}

/** What the store says, in its words. */
function said({ status, code, text, foreign }: Refusal): string {
  if (foreign !== undefined) {
    return `something that is not S3 answers ${describeStatus(status)}${foreign === '' ? '' : ` (${foreign})`}`
  }
  const known = code === '' || /^(?:Unknown|\d)/.test(code) ? describeStatus(status) : code
  return text === '' || text === code || /^Unknown/.test(text) ? known : `${known}: ${text}`
}

function byStatus(refusal: Refusal, about: About): Meaning {
  const { status } = refusal
  if (status === 401 || status === 403) {
    return refusal.foreign === undefined ? denied(refusal, about) : { code: 'unauthorized', hint: ASTRAY }
  }
  if (status === 404) return { code: 'not-found', hint: 'check the name of the bucket and --s3-endpoint' }
  if (status === 413) return tooLarge()
  if (status === 429) return { code: 'rate-limited', hint: 'run the same command again later, or lower --jobs' }
  if (status === 501 || status === 405) return { code: 'unsupported', hint: 'the store does not know this request' }
  if (status === 507) return full()
  if ((status === 301 || status === 307) && refusal.foreign === undefined) return elsewhere(refusal)
  return status >= 500 ? { code: 'unreachable', hint: AGAIN } : { code: 'bad-answer', hint: ASTRAY }
}

function denied(refusal: Refusal, { action, bucket }: About): Meaning {
  return {
    code: 'unauthorized',
    hint: `the credentials need ${action} on ${bucket}: registrish setup --s3 ${bucket} prints a policy (${said(refusal)})`,
    text: `access is denied (${said(refusal)})`,
  }
}

function tooLarge(): Meaning {
  return { code: 'limit', hint: 'the store holds no objects of that size' }
}

function full(): Meaning {
  return { code: 'no-space', hint: 'make room in the store or raise its quota, then run the same command again' }
}

function elsewhere({ region }: Refusal): Meaning {
  return {
    code: 'bad-answer',
    text: `the bucket is in another region${region === undefined ? '' : `: ${region}`}`,
    hint: `name the bucket's region: --s3-region ${region ?? 'REGION'}`,
  }
}

function skewed(): Meaning {
  return {
    code: 'unauthorized',
    text: 'the clocks of this machine and of the store differ too much',
    hint: 'set the clock of this machine',
  }
}

function wrongKey(refusal: Refusal): Meaning {
  return {
    code: 'unauthorized',
    text: `the store does not accept the credentials (${said(refusal)})`,
    hint: 'check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile that AWS_PROFILE names, and --s3-endpoint',
  }
}

function otherBytes(): Meaning {
  return {
    code: 'digest-mismatch',
    text: 'the bytes are not those of its digest',
    hint: 'the file has changed: registrish verify --repair',
  }
}

/** By the codes of AWS S3 API, "Error responses", and what compatible stores say besides. */
const MEANINGS: Readonly<Record<string, (refusal: Refusal, about: About) => Meaning>> = {
  NoSuchBucket: (_, { bucket }) => ({
    code: 'not-found',
    text: 'there is no such bucket',
    hint: `check its name, --s3-endpoint and --s3-region, or make it: registrish setup --s3 ${bucket} --apply, with the same endpoint and region`,
  }),
  InvalidBucketName: () => ({
    code: 'usage',
    text: 'that is no name of a bucket',
    hint: 'a bucket has 3 to 63 lower-case letters, digits, dots and hyphens',
  }),
  AccessDenied: denied,
  AllAccessDisabled: denied,
  AccountProblem: denied,
  InvalidAccessKeyId: wrongKey,
  SignatureDoesNotMatch: wrongKey,
  XAdminUserNotFound: wrongKey,
  InvalidToken: wrongKey,
  TokenRefreshRequired: wrongKey,
  ExpiredToken: refusal => ({
    ...wrongKey(refusal),
    text: `the credentials have expired (${said(refusal)})`,
    hint: 'get new ones (aws sso login, a new session token) and run the same command again: what was sent is not sent again',
  }),
  RequestTimeTooSkewed: skewed,
  RequestExpired: skewed,
  AccessControlListNotSupported: (_, { bucket }) => ({
    code: 'unsupported',
    text: 'the bucket has no access lists',
    hint: `leave --s3-acl out: registrish setup --s3 ${bucket} prints the policy that lets everybody read`,
  }),
  PermanentRedirect: elsewhere,
  TemporaryRedirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  EntityTooLarge: tooLarge,
  QuotaExceeded: full,
  StorageFull: full,
  XMinioStorageFull: full,
  XMinioAdminBucketQuotaExceeded: full,
  NotImplemented: () => ({ code: 'unsupported', hint: 'the store does not know this request or one of its headers' }),
  XAmzContentSHA256Mismatch: otherBytes,
  BadDigest: otherBytes,
  SlowDown: () => ({ code: 'rate-limited', hint: 'run the same command again later, or lower --jobs' }),
}
