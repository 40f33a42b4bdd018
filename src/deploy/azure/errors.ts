import { type ErrorCode, isRegistrishError, messageOf, RegistrishError } from '../../errors.ts'
import { isTransient } from '../../http/network-error.ts'
import { describeStatus } from '../../http/status.ts'
import { type Refusal, Refused } from '../refusal.ts'
import { type AzurePlace, titleOf } from './place.ts'
import { refusalOf } from './refusal.ts'

/** What a request was about, for messages. */
export interface About {
  readonly place: AzurePlace
  /** As after "cannot": `write v2/alpine/manifests/latest`. */
  readonly doing: string
}

/** Translates whatever a request to the blob service failed with into a {@link RegistrishError} of side `target`; what is about the source stays so. */
export function azureError(error: unknown, about: About): RegistrishError {
  const refusal = isRegistrishError(error) ? undefined : refusalOf(error)
  // What the SDK throws holds the whole request, with what it was signed by: that goes no further.
  if (refusal !== undefined) return refusedError(refusal, new Refused(refusal), about)
  if (isRegistrishError(error)) return isNetwork(error) ? unreachable(error, about) : error
  const name = error instanceof Error ? error.name : ''
  if (/Credential|Authentication/.test(name)) {
    return failed(about, `there is no token: ${short(error)}`, {
      code: 'unauthorized',
      hint: `log in (az login), or set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN`,
      cause: error,
    })
  }
  return strangeAnswer(about, short(error))
}

/** The error for an answer that is none of Azure's. */
export function strangeAnswer(about: About, what: string): RegistrishError {
  return failed(about, what, { code: 'bad-answer', hint: ASTRAY })
}

const ASTRAY =
  'is it the blob service of Azure that answers there? check --azure-endpoint, and whether a login page or proxy of this network answers in its place'
const AGAIN = 'run the same command again: what was sent is not sent again'

interface Failure {
  readonly code: ErrorCode
  readonly hint?: string | undefined
  readonly cause?: unknown
}

function failed({ doing, place }: About, text: string, { code, hint, cause }: Failure): RegistrishError {
  return new RegistrishError(code, `cannot ${doing} in ${titleOf(place)}: ${text}`, {
    side: 'target',
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** The first line; the SDK's say more than anyone wants to know. */
function short(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? ''
}

function isNetwork(error: RegistrishError): boolean {
  return error.code === 'unreachable' || error.code === 'timeout' || error.code === 'bad-answer'
}

/** `src/http` speaks of sources; the ways out are others here. */
function unreachable(error: RegistrishError, about: About): RegistrishError {
  if (error.side === 'target') return error
  const { cause, code, message, hint } = error
  if (/^the proxy /.test(message)) return failed(about, message, { code, hint, cause })
  const again = isTransient(error, true) ? AGAIN : undefined
  return failed(about, message, { code, hint: wayOut(cause, about.place) ?? again ?? hint, cause })
}

function wayOut(cause: unknown, { account }: AzurePlace): string | undefined {
  const text = messageOf(cause)
  if (/ENOTFOUND/.test(text))
    return `is there a storage account ${account}? registrish setup --azure ${account} says how to make one; check --azure-endpoint`
  // Nobody may listen because the service is down for a moment, or because the endpoint is misspelt.
  if (/ECONNREFUSED/.test(text)) return `is the service running, and there? check --azure-endpoint, and ${AGAIN}`
  return /wrong version|packet length|http request/i.test(text) ? 'write --azure-endpoint with http://' : undefined
}

function refusedError(refusal: Refusal, cause: Refused, about: About): RegistrishError {
  const { code, hint, text } = MEANINGS[refusal.code]?.(about.place) ?? byStatus(refusal, about.place)
  const words = said(refusal)
  return failed(about, text === undefined ? words : `${text} (${words})`, { code, hint, cause })
}

/** What the service says, in its words. */
function said({ status, code, text, foreign }: Refusal): string {
  if (foreign !== undefined) {
    return `something that is not Azure answers ${describeStatus(status)}${foreign === '' ? '' : ` (${foreign})`}`
  }
  const known = code === '' ? describeStatus(status) : code
  return text === '' || text === code ? known : `${known}: ${text}`
}

interface Meaning {
  readonly code: ErrorCode
  readonly text?: string
  readonly hint: string
}

function byStatus({ status, foreign }: Refusal, place: AzurePlace): Meaning {
  if (status < 400 || (foreign !== undefined && status < 500 && status !== 429))
    return { code: 'bad-answer', hint: ASTRAY }
  if (status === 401 || status === 403) return denied(place)
  if (status === 404) return { code: 'not-found', hint: 'check the names of the account and the container' }
  if (status === 409 || status === 412) return { code: 'conflict', hint: AGAIN }
  if (status === 413) return { code: 'limit', hint: 'the service holds no blobs of that size' }
  if (status === 429) return slower()
  if (status === 501 || status === 405) return { code: 'unsupported', hint: 'the service does not know this request' }
  return status >= 500 ? { code: 'unreachable', hint: AGAIN } : { code: 'bad-answer', hint: ASTRAY }
}

function slower(): Meaning {
  return { code: 'rate-limited', hint: 'run the same command again later, or lower --jobs' }
}

function denied({ account }: AzurePlace): Meaning {
  return {
    code: 'unauthorized',
    text: 'access is denied',
    hint: `whoever deploys needs the role Storage Blob Data Contributor: registrish setup --azure ${account} prints the command`,
  }
}

function wrongKey(): Meaning {
  return {
    code: 'unauthorized',
    text: 'the service does not accept the credentials',
    hint: 'check that the key or SAS token is that of this account and has not expired, and the clock of this machine',
  }
}

function weakSas(): Meaning {
  return {
    code: 'unauthorized',
    text: 'access is denied',
    hint: 'a SAS token needs the permissions racwdl (read, add, create, write, delete, list) on the container; a firewall of the account must let this machine in',
  }
}

function held(): Meaning {
  return {
    code: 'conflict',
    text: 'it may not be changed now',
    hint: 'end its lease, or the policy that makes it immutable, and run the same command again',
  }
}

/** By https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes and the common ones. */
const MEANINGS: Readonly<Record<string, (place: AzurePlace) => Meaning>> = {
  ContainerNotFound: ({ account, container }) => ({
    code: 'not-found',
    text: 'there is no such container',
    hint:
      container === '$web'
        ? `switch the static website of the account on: registrish setup --azure ${account} prints the command, with --apply it does it`
        : `check --azure-container, or make it: az storage container create --account-name ${account} --name ${container}`,
  }),
  ContainerBeingDeleted: () => ({
    code: 'conflict',
    text: 'the container is being deleted',
    hint: 'wait a minute, make it anew and run the same command again',
  }),
  AuthenticationFailed: wrongKey,
  InvalidAuthenticationInfo: wrongKey,
  NoAuthenticationInformation: wrongKey,
  AuthorizationPermissionMismatch: denied,
  InsufficientAccountPermissions: denied,
  AuthorizationFailure: weakSas,
  AuthorizationResourceTypeMismatch: weakSas,
  AuthorizationServiceMismatch: weakSas,
  AuthorizationSourceIPMismatch: weakSas,
  KeyBasedAuthenticationNotPermitted: () => ({
    code: 'unauthorized',
    text: 'the account takes no keys',
    hint: 'leave AZURE_STORAGE_KEY and AZURE_STORAGE_CONNECTION_STRING away and log in instead (az login), with @azure/identity installed beside registrish',
  }),
  AccountIsDisabled: () => ({
    code: 'unauthorized',
    text: 'the account is disabled',
    hint: 'is its subscription still paid for? the portal of Azure tells',
  }),
  AccountRequiresHttps: () => ({
    code: 'usage',
    text: 'the account takes HTTPS only',
    hint: 'write --azure-endpoint with https://',
  }),
  ServerBusy: slower,
  BlobImmutableDueToPolicy: held,
  BlobImmutableDueToLegalHold: held,
  LeaseIdMissing: held,
  SnapshotsPresent: () => ({
    code: 'conflict',
    text: 'it has snapshots',
    hint: 'delete its snapshots if nobody needs them, and run the same command again',
  }),
  InvalidBlobOrBlock: () => ({
    code: 'conflict',
    text: 'another program has begun to write it',
    hint: 'end that program; what it has left vanishes a week later, or when the blob is deleted',
  }),
}
