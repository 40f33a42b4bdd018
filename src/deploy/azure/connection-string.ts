import { RegistrishError } from '../../errors.ts'

/** Credentials of an account itself: one of its keys, or a token that was signed with one. */
export type AccountCredentials =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'sas'; readonly token: string }

/** What a connection string says. */
export interface Connection {
  readonly account?: string
  readonly credentials: AccountCredentials
  /** URL of the blob service, without a slash at the end. */
  readonly endpoint?: string
}

/** Parses the connection string of a storage account. @throws RegistrishError `usage`, which does not repeat it. */
export function parseConnectionString(text: string): Connection {
  const pairs = text.split(';').flatMap((part): (readonly [string, string])[] => {
    const equals = part.indexOf('=')
    return equals < 0 ? [] : [[part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim()]]
  })
  const parts = new Map(pairs.filter(([, value]) => value !== ''))
  const [account, key, sas] = [parts.get('accountname'), parts.get('accountkey'), parts.get('sharedaccesssignature')]
  if (key === undefined && sas === undefined) throw noConnection('it has neither AccountKey nor SharedAccessSignature')
  const endpoint = parts.get('blobendpoint') ?? endpointOf(account, parts)
  if (endpoint !== undefined && !URL.canParse(endpoint)) throw noConnection('its BlobEndpoint is no URL')
  return {
    credentials: key === undefined ? { kind: 'sas', token: (sas ?? '').replace(/^\?/, '') } : { kind: 'key', key },
    ...(account === undefined ? {} : { account }),
    ...(endpoint === undefined ? {} : { endpoint: endpoint.replace(/\/+$/, '') }),
  }
}

function endpointOf(account: string | undefined, parts: ReadonlyMap<string, string>): string | undefined {
  const suffix = parts.get('endpointsuffix')
  if (account === undefined || suffix === undefined) return undefined
  return `${parts.get('defaultendpointsprotocol') ?? 'https'}://${account}.blob.${suffix}`
}

function noConnection(why: string): RegistrishError {
  return new RegistrishError('usage', `AZURE_STORAGE_CONNECTION_STRING is no connection string: ${why}`, {
    side: 'target',
    hint: 'az storage account show-connection-string prints it; quote it in a shell, since it holds ";"',
  })
}
