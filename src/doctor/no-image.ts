import type { CredentialFinder } from '../http/credentials.ts'
import { type Answer, isShut } from './answer.ts'

/** Why nothing can be said of the images of a host that counts requests. */
export const LIMITED = 'the host limits requests (429): run it again later'

/** What is kept from those who are not logged in. */
export interface Shut {
  readonly host: string
  /** Empty for the catalogue. */
  readonly repository: string
  readonly credentials: CredentialFinder
}

/**
 * Why an answer says nothing of a host's files: it is kept from who asks. undefined where it is not.
 * @throws RegistrishError as of {@link CredentialFinder.find}.
 */
export async function whyShut(answer: Answer, { host, repository, credentials }: Shut): Promise<string | undefined> {
  const { login } = answer
  if (login === undefined || !isShut(answer)) return undefined
  const what = repository === '' ? 'its catalogue' : repository
  if (login.outcome === 'broken') return `nobody can log in to ${host}: ${login.why}`
  if (login.outcome === 'unsafe') return `${host} wants a login for ${what}, and nothing was sent: ${login.why}`
  const { credentials: found } = await credentials.find(host, repository)
  return found === undefined
    ? `${host} wants a login for ${what}: docker login ${host}, then run it again, or name a file with --authfile`
    : `${host} does not show ${what} to the credentials from ${found.origin}: docker login ${host}, then run it again, or name another file with --authfile`
}
