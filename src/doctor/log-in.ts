import { isRegistrishError } from '../errors.ts'
import type { Authorizer } from '../http/auth.ts'
import { type Challenge, parseChallenges } from '../http/challenge.ts'
import type { HttpResponse } from '../http/client.ts'
import { parseRealm } from '../http/token.ts'
import type { LoginSeen } from './answer.ts'
import type { Deadline } from './deadline.ts'

/** Logs in as far as a registry wants it. */
export interface LogIn {
  readonly origin: URL
  /** Absent: nobody logs in, since others could listen. */
  readonly authorizer?: Authorizer | undefined
}

/** One request, to be sent with an `Authorization` or without. */
export interface GuardedRequest {
  /** The repository whose permissions it needs; empty for what is of none. */
  readonly repository: string
  /** Whether the challenge's own scope counts. Clients ask for theirs where it is /v2/ that tells them how to log in. */
  readonly ownScope: boolean
  /** Whether it may be sent again with other rights than those it was refused with. */
  readonly mayRenew: boolean
  readonly deadline: Deadline
  send(authorization: string | undefined): Promise<HttpResponse>
}

/** An answer, and how the login went where one was asked for. */
export interface Guarded {
  readonly response: HttpResponse
  readonly login?: LoginSeen
}

/** Sends a request; where it is refused with a challenge, once more with what that asks for. */
export async function sendGuarded({ origin, authorizer }: LogIn, request: GuardedRequest): Promise<Guarded> {
  const { repository, deadline, send } = request
  if (authorizer === undefined) return sendUnguarded(await send(undefined))
  const known = await knownTo(authorizer, request)
  const response = await send(known)
  const challenges = challengesOf(response, known)
  const sent: LoginSeen = { outcome: 'sent' }
  if (challenges.length === 0 || !request.mayRenew) {
    return known === undefined ? { response } : { response, login: sent }
  }
  let authorization: string
  try {
    deadline.restart()
    const wanted = request.ownScope ? challenges : challenges.map(withoutScope)
    authorization = await authorizer.renew(repository, { challenges: wanted, rejected: known }, deadline.signal)
  } catch (error) {
    // Without a login the answer is the refusal itself.
    return { response, login: failedLogin(error, { deadline, isStrange: isStrange(challenges, origin) }) }
  }
  await response.discard()
  return { response: await send(authorization), login: sent }
}

/** Why there is nothing to log in with. @throws RegistrishError `aborted`, and `rate-limited`, which says nothing of the login. */
function failedLogin(
  error: unknown,
  { deadline, isStrange }: { readonly deadline: Deadline; readonly isStrange: boolean },
): LoginSeen {
  if (!isRegistrishError(error) || error.code === 'rate-limited') throw error
  if (error.code === 'aborted') {
    if (!deadline.isOver()) throw error
    return { outcome: 'broken', why: `the token server gave no token in ${deadline.text}` }
  }
  const isBroken = isRegistrishError(error, 'bad-answer', 'unreachable', 'timeout', 'not-found')
  return { outcome: isStrange ? 'unsafe' : isBroken ? 'broken' : 'refused', why: error.message }
}

function sendUnguarded(response: HttpResponse): Guarded {
  if (challengesOf(response, undefined).length === 0) return { response }
  return { response, login: { outcome: 'unsafe', why: UNSAFE } }
}

const UNSAFE = 'credentials do not go out in plain HTTP, unless --plain-http says that nobody can listen on the way'

/** A token that cannot be renewed any more is as good as none. */
async function knownTo(authorizer: Authorizer, { repository, deadline }: GuardedRequest): Promise<string | undefined> {
  try {
    return await authorizer.header(repository, deadline.signal)
  } catch (error) {
    if (isRegistrishError(error) && error.code !== 'aborted') return undefined
    throw error
  }
}

/** What is asked for: by 401, and by 403 of those who say so to a token of another scope. */
function challengesOf(response: HttpResponse, known: string | undefined): readonly Challenge[] {
  const isRefusal = response.status === 401 || (response.status === 403 && known !== undefined)
  return isRefusal ? parseChallenges(response.header('www-authenticate')) : []
}

function withoutScope({ scheme, parameters: { scope: _, ...parameters } }: Challenge): Challenge {
  return { scheme, parameters }
}

/** Whether it is not the token server that fails, but we who ask none at such an address. */
function isStrange(challenges: readonly Challenge[], origin: URL): boolean {
  const realm = challenges.find(({ scheme }) => scheme === 'bearer')?.parameters['realm']
  if (realm === undefined || !URL.canParse(realm)) return false
  try {
    parseRealm(realm, origin)
    return false
  } catch {
    return true
  }
}
