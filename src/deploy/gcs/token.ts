import type { AuthClient } from 'google-auth-library'
import { messageOf, RegistrishError, systemCode } from '../../errors.ts'
import { isRecord } from '../../oci/descriptor.ts'
import { plain } from '../../oci/digest.ts'
import { AGAIN } from '../rest/errors.ts'

/** The headers that say who asks; `renew`: those given before were refused. */
export type Authorize = (renew: boolean) => Promise<Readonly<Record<string, string>>>

/** Reads and writes objects, and no more (Cloud Storage, "OAuth scopes"). */
const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write'

/**
 * Gets tokens as Google's own tools do, by Application Default Credentials: a file that GOOGLE_APPLICATION_CREDENTIALS names (a key, a workload identity of another
 * cloud or of CI), what `gcloud auth application-default login` left, or the machine's own account on Google Cloud. The library is loaded with the first request.
 */
export function createAuthorizer(): Authorize {
  let opening: Promise<AuthClient> | undefined
  return async renew => {
    // Another client has no token kept.
    if (renew || opening === undefined) opening = openClient()
    try {
      const client = await opening
      return Object.fromEntries((await client.getRequestHeaders()).entries())
    } catch (error) {
      opening = undefined
      throw noToken(error)
    }
  }
}

async function openClient(): Promise<AuthClient> {
  const { GoogleAuth } = await import('google-auth-library')
  return new GoogleAuth({ scopes: [SCOPE] }).getClient()
}

/** What gives tokens may be out of order for a moment, as anything else: then another try may help. */
function noToken(error: unknown): RegistrishError {
  const text = plain(messageOf(error).split('\n')[0] ?? '')
  const isAbsent = /default credentials/i.test(text)
  const isPassing = PASSING.test(codeOf(error))
  return new RegistrishError(
    isPassing ? 'unreachable' : 'unauthorized',
    isAbsent ? 'there are no credentials for Google Cloud' : `Google Cloud gives no token: ${text}`,
    {
      side: 'target',
      cause: error,
      hint: isPassing
        ? AGAIN
        : 'gcloud auth application-default login gets some; in CI let GOOGLE_APPLICATION_CREDENTIALS name the file of a workload identity or a key',
    },
  )
}

const PASSING = /^(?:ECONN|ETIMEDOUT|EPIPE|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|UND_ERR_|5\d\d$)/

/** A system error's code, or the status of the answer. */
function codeOf(error: unknown): string {
  const status = isRecord(error) && isRecord(error['response']) ? error['response']['status'] : undefined
  return systemCode(error) ?? (typeof status === 'number' ? String(status) : '')
}
