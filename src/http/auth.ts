import { abortedError, RegistrishError } from '../errors.ts'
import type { Credentials } from './auth-file.ts'
import type { Challenge } from './challenge.ts'
import type { CredentialFinder, FoundCredentials } from './credentials.ts'
import { basic } from './token.ts'
import { type Authorization, createTokenCache, type TokenCache, type TokenCacheOptions } from './token-cache.ts'

/** What an {@link Authorizer} works for and with; `registry` is also the key of its credentials. */
export interface AuthorizerOptions extends TokenCacheOptions {
  readonly credentials: CredentialFinder
}

/** An answer that says who is asking does not suffice. */
interface Refusal {
  /** What it offers; none where it just refuses, as ECR Public does with 400 for an expired token. */
  readonly challenges: readonly Challenge[]
  /** The `Authorization` that was sent. */
  readonly rejected: string | undefined
}

/** Keeps the authorizations for one registry: tokens by scope, renewed before they expire, each fetched once at a time. */
export interface Authorizer {
  /** The `Authorization` to send for a repository; undefined as long as nothing was asked for. */
  header(repository: string, signal?: AbortSignal): Promise<string | undefined>
  /** A new `Authorization` after a refusal. @throws RegistrishError `unauthorized` where there is none to be had. */
  renew(repository: string, refusal: Refusal, signal?: AbortSignal): Promise<string>
  /** The error for a refusal that stands. */
  refused(repository: string): Promise<RegistrishError>
}

/** Makes an {@link Authorizer}. */
export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  const { registry, credentials, now = Date.now } = options
  const grants = new Map<string, Grant>()
  const tokens = createTokenCache(options)
  const obtain = async (repository: string, challenge: Challenge, rejected?: string): Promise<string> => {
    const found = await credentials.find(registry, repository)
    const grant = await authorize({ options, tokens, repository, challenge, found, rejected })
    grants.set(repository, { ...grant, challenge })
    return grant.authorization
  }
  return {
    async header(repository, signal) {
      const grant = grants.get(repository)
      if (grant === undefined || now() < grant.expires) return grant?.authorization
      return abortable(obtain(repository, grant.challenge, grant.authorization), signal)
    },
    async renew(repository, { challenges, rejected }, signal) {
      const challenge = choose(challenges) ?? grants.get(repository)?.challenge
      if (challenge === undefined) throw unknownScheme(registry, challenges)
      return abortable(obtain(repository, challenge, rejected), signal)
    },
    async refused(repository) {
      return refusedError(options, repository, await credentials.find(registry, repository))
    },
  }
}

interface Grant extends Authorization {
  readonly challenge: Challenge
}

interface Authorizing {
  readonly options: AuthorizerOptions
  readonly tokens: TokenCache
  readonly repository: string
  readonly challenge: Challenge
  readonly found: FoundCredentials
  readonly rejected: string | undefined
}

async function authorize(authorizing: Authorizing): Promise<Authorization> {
  const { options, tokens, repository, challenge, found, rejected } = authorizing
  const { credentials } = found
  const fixed = fixedAuthorization(challenge, credentials)
  if (fixed !== undefined) {
    if (fixed === rejected) throw refusedError(options, repository, found)
    return { authorization: fixed, expires: Number.POSITIVE_INFINITY }
  }
  if (challenge.scheme === 'basic' || credentials?.kind === 'bearer') throw refusedError(options, repository, found)
  return tokens.get({ challenge, repository, rejected, ...(credentials === undefined ? {} : { credentials }) })
}

/** An `Authorization` that needs no token server: a registry token, or user and password where the registry wants just these. */
function fixedAuthorization({ scheme }: Challenge, credentials: Credentials | undefined): string | undefined {
  if (credentials?.kind === 'bearer') return scheme === 'bearer' ? `Bearer ${credentials.token}` : undefined
  if (scheme !== 'basic' || credentials?.kind !== 'password') return undefined
  return basic(credentials.username, credentials.password)
}

/** The challenge that is answered: bearer before basic (most registries that offer both mean the latter for their own API). */
function choose(challenges: readonly Challenge[]): Challenge | undefined {
  return challenges.find(({ scheme }) => scheme === 'bearer') ?? challenges.find(({ scheme }) => scheme === 'basic')
}

function unknownScheme(registry: string, challenges: readonly Challenge[]): RegistrishError {
  const offered = challenges.map(({ scheme }) => scheme).join(', ')
  return new RegistrishError(
    offered === '' ? 'unauthorized' : 'unsupported',
    offered === ''
      ? `${registry} refuses access and does not say how to log in`
      : `${registry} wants to be logged in to by ${offered}, which registrish does not know`,
    {
      side: 'source',
      hint: 'check the name of the registry; registrish logs in by token (bearer) or password (basic)',
    },
  )
}

/** Registries answer alike for what does not exist and for what may not be seen: the message says both. */
function refusedError({ registry }: AuthorizerOptions, repository: string, found: FoundCredentials): RegistrishError {
  const { credentials, places } = found
  const what = repository === '' ? 'its catalogue' : repository
  const looked = `looked for credentials in ${places.join(', ')}`
  return credentials === undefined
    ? new RegistrishError(
        'unauthorized',
        `${registry} does not show ${what} to anonymous users: it does not exist, or needs a login`,
        {
          side: 'source',
          hint: `check the name, or log in: docker login ${registry}; or name a file with --authfile (${looked})`,
        },
      )
    : new RegistrishError(
        'unauthorized',
        `${registry} refuses access to ${what} with the credentials from ${credentials.origin}`,
        {
          side: 'source',
          hint: `they are wrong or expired, they lack permission, or there is no such repository: docker login ${registry}, or name a file with --authfile`,
        },
      )
}

/** Waits for something that several share, each with a signal of its own. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(abortedError(signal.reason))
  })
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
