/// <reference path="./identity.d.ts" />
import type { BlobServiceClient } from '@azure/storage-blob'
import { RegistrishError, systemCode } from '../../errors.ts'
import { reachOf } from '../../http/local-address.ts'
import type { Environment } from '../../http/proxy.ts'
import { type AccountCredentials, parseConnectionString } from './connection-string.ts'
import type { AzurePlace } from './place.ts'

/** Who deploys: somebody with a key of the account or a SAS token, or whoever is logged in. */
type AzureCredentials = AccountCredentials | { readonly kind: 'login'; readonly credential: TokenCredential }

/** @internal for the tests: something that gets tokens (`@azure/core-auth`). */
export type TokenCredential = Extract<BlobServiceClient['credential'], { readonly getToken: unknown }>

/** What is known of an account: credentials, and where it is. */
export interface AzureAccess {
  readonly credentials: AzureCredentials
  /** URL of the account's blob service, without a slash at the end. */
  readonly endpoint: string
}

/** Finds a token's source: `@azure/identity`, which users may have installed beside registrish. */
export type LoadLogin = () => Promise<TokenCredential>

/**
 * Looks for credentials under the names that the `az` command has for them, in its order: connection string, key, SAS token; else for a login.
 * @throws RegistrishError `usage` for those of another account or that make no sense, `unauthorized` where there are none.
 */
export async function findAccess(
  place: AzurePlace,
  env: Environment,
  loadLogin: LoadLogin = loadDefaultLogin,
): Promise<AzureAccess> {
  const access = await lookFor(place, env, loadLogin)
  const { protocol, hostname, origin } = new URL(access.endpoint)
  // A key only signs; a token is sent along.
  if (access.credentials.kind === 'key' || protocol === 'https:' || reachOf(hostname) === 'loopback') return access
  throw new RegistrishError('usage', `${origin} is plain HTTP: anyone on the way could read the token of the account`, {
    side: 'target',
    hint: 'write the endpoint with https://',
  })
}

async function lookFor(place: AzurePlace, env: Environment, loadLogin: LoadLogin): Promise<AzureAccess> {
  const { account } = place
  const endpoint = place.endpoint ?? `https://${account}.blob.core.windows.net`
  const text = filled(env['AZURE_STORAGE_CONNECTION_STRING'])
  if (text !== undefined) {
    const connection = parseConnectionString(text)
    checkAccount(account, connection.account, 'AZURE_STORAGE_CONNECTION_STRING')
    return { credentials: connection.credentials, endpoint: place.endpoint ?? connection.endpoint ?? endpoint }
  }
  const [key, token] = [filled(env['AZURE_STORAGE_KEY']), filled(env['AZURE_STORAGE_SAS_TOKEN'])]
  if (key !== undefined || token !== undefined)
    checkAccount(account, filled(env['AZURE_STORAGE_ACCOUNT']), 'AZURE_STORAGE_ACCOUNT')
  if (key !== undefined) return { credentials: { kind: 'key', key: checkKey(key) }, endpoint }
  if (token !== undefined) return { credentials: { kind: 'sas', token: token.replace(/^\?/, '') }, endpoint }
  return { credentials: { kind: 'login', credential: await login(account, loadLogin) }, endpoint }
}

/** @throws RegistrishError `usage` for what is no key: base64 of 64 bytes. */
function checkKey(key: string): string {
  if (/^[A-Za-z0-9+/]{86}==$/.test(key)) return key
  throw new RegistrishError('usage', 'AZURE_STORAGE_KEY holds no key of a storage account', {
    side: 'target',
    hint: 'az storage account keys list prints them: 88 characters that end in ==',
  })
}

function filled(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}

/** A key of another account would be refused as a wrong one. */
function checkAccount(account: string, other: string | undefined, name: string): void {
  if (other === undefined || other === account) return
  throw new RegistrishError('usage', `${name} is about the account ${other}, --azure names ${account}`, {
    side: 'target',
    hint: `set credentials of ${account}, or write --azure ${other}`,
  })
}

async function login(account: string, load: LoadLogin): Promise<TokenCredential> {
  try {
    return await load()
  } catch (cause) {
    if (systemCode(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new RegistrishError('unauthorized', `there are no credentials for the storage account ${account}`, {
      side: 'target',
      hint: 'set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING; for a login (az login, managed or workload identity) install the package that finds it beside registrish: npm install @azure/identity, with --global if registrish is',
      cause,
    })
  }
}

async function loadDefaultLogin(): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential()
}
