import { RegistrishError } from '../../errors.ts'
import { quote } from '../../oci/digest.ts'
import { quoteUrl } from '../quote-url.ts'
import type { AzurePlace } from './place.ts'

/** A container as a user names it. */
export interface AzureTargetInput {
  /** The storage account's name. */
  readonly account: string
  /** Default `$web`. */
  readonly container?: string | undefined
  /** URL of the account's blob service. */
  readonly endpoint?: string | undefined
}

/** A container, and what the user should know, a sentence each. */
export interface AzureTarget extends AzurePlace {
  readonly notes: readonly string[]
}

/** The container that the static website of an account serves. */
export const WEB_CONTAINER: string = '$web'

/** Parses a container as a user names it. @throws RegistrishError `usage`. */
export function parseAzureTarget({ account, container = WEB_CONTAINER, endpoint }: AzureTargetInput): AzureTarget {
  if (!/^[a-z0-9]{3,24}$/.test(account)) {
    throw usage(
      // A connection string has a key in it.
      `${/[=;]/.test(account) ? 'what was given' : quoteUrl(account)} is no name of a storage account`,
      'give its name alone, 3 to 24 small letters and digits: --azure myregistry',
    )
  }
  if (container !== WEB_CONTAINER && !/^(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])*$/.test(container)) {
    throw usage(
      `${quote(container)} is no name of a container`,
      'a container has 3 to 63 small letters, digits and single hyphens; the default, $web, needs no flag',
    )
  }
  return {
    account,
    container,
    ...(endpoint === undefined ? {} : { endpoint: parseEndpoint(endpoint) }),
    notes:
      container === WEB_CONTAINER
        ? []
        : [
            `the website of ${account} serves $web only: something of your own, such as Azure Front Door, must lead the root of a host to the container ${container}`,
          ],
  }
}

function parseEndpoint(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined
  // A SAS token in it would be printed with it.
  if (
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.username + url.password === '' &&
    url.search === '' &&
    url.hash === ''
  )
    return url.href.replace(/\/+$/, '')
  throw usage(
    'the endpoint is not a URL that begins with https:// or http://',
    'write it as --azure-endpoint https://ACCOUNT.blob.core.usgovcloudapi.net, without a user or a token',
  )
}

function usage(message: string, hint: string): RegistrishError {
  return new RegistrishError('usage', message, { hint })
}
