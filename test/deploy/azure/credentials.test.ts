import { describe, expect, test } from 'vitest'
import { findAccess, type TokenCredential } from '../../../src/deploy/azure/credentials.ts'
import { openAzureStore } from '../../../src/deploy/azure/store.ts'
import { KEY } from './support.ts'

const PLACE = { account: 'registry', container: '$web' }
const AZURE = 'https://registry.blob.core.windows.net'
const CREDENTIAL: TokenCredential = {
  getToken: async () => ({ token: 'token', expiresOnTimestamp: Date.now() + 60_000 }),
}
const loadLogin = async (): Promise<TokenCredential> => CREDENTIAL
const noLogin = async (): Promise<TokenCredential> => {
  throw Object.assign(new Error("Cannot find package '@azure/identity'"), { code: 'ERR_MODULE_NOT_FOUND' })
}

describe('are found as az names them', () => {
  const connection = `DefaultEndpointsProtocol=https;AccountName=registry;AccountKey=${KEY};EndpointSuffix=core.usgovcloudapi.net`
  test.each([
    ['a key', { AZURE_STORAGE_KEY: KEY }, { kind: 'key', key: KEY }, AZURE],
    ['a token', { AZURE_STORAGE_SAS_TOKEN: '?sv=1&sig=x' }, { kind: 'sas', token: 'sv=1&sig=x' }, AZURE],
    [
      'a key before a token',
      { AZURE_STORAGE_KEY: KEY, AZURE_STORAGE_SAS_TOKEN: 'sig=x', AZURE_STORAGE_ACCOUNT: 'registry' },
      { kind: 'key', key: KEY },
      AZURE,
    ],
    [
      'a connection string before all',
      { AZURE_STORAGE_CONNECTION_STRING: connection, AZURE_STORAGE_SAS_TOKEN: 'sig=x' },
      { kind: 'key', key: KEY },
      'https://registry.blob.core.usgovcloudapi.net',
    ],
    [
      'one with a token and an endpoint',
      {
        AZURE_STORAGE_CONNECTION_STRING:
          'BlobEndpoint=http://127.0.0.1:10000/registry/;SharedAccessSignature=sv=1&sig=x',
      },
      { kind: 'sas', token: 'sv=1&sig=x' },
      'http://127.0.0.1:10000/registry',
    ],
    ['nothing: a login', { AZURE_STORAGE_KEY: '' }, { kind: 'login', credential: CREDENTIAL }, AZURE],
  ])('%s', async (_, env, credentials, endpoint) => {
    expect(await findAccess(PLACE, env, loadLogin)).toEqual({ credentials, endpoint })
  })

  test('a token is not sent where anyone could read it', async () => {
    const place = { ...PLACE, endpoint: 'http://blobs.example:10000/registry' }
    const token = findAccess(place, { AZURE_STORAGE_SAS_TOKEN: 'sv=1&sig=secret' }, loadLogin)
    await expect(token).rejects.toMatchObject({ code: 'usage', message: expect.not.stringContaining('secret') })
    await expect(findAccess(place, {}, loadLogin)).rejects.toMatchObject({ code: 'usage' })
    expect(await findAccess(place, { AZURE_STORAGE_KEY: KEY }, loadLogin)).toMatchObject({ endpoint: place.endpoint })
  })

  test('the endpoint of the command counts most', async () => {
    const place = { ...PLACE, endpoint: 'https://elsewhere.test' }
    const found = await findAccess(place, { AZURE_STORAGE_CONNECTION_STRING: connection }, loadLogin)
    expect(found.endpoint).toBe('https://elsewhere.test')
  })
})

describe('that make no sense are refused without being repeated', () => {
  test.each([
    ['a key that is none', { AZURE_STORAGE_KEY: 'SECRET' }, /az storage account keys list/],
    ['a key of another account', { AZURE_STORAGE_KEY: KEY, AZURE_STORAGE_ACCOUNT: 'other' }, /--azure other/],
    [
      'another account’s string',
      { AZURE_STORAGE_CONNECTION_STRING: `AccountName=other;AccountKey=${KEY}` },
      /--azure other/,
    ],
    [
      'a string without any',
      { AZURE_STORAGE_CONNECTION_STRING: 'AccountName=registry;SECRET' },
      /show-connection-string/,
    ],
    ['a string with no URL', { AZURE_STORAGE_CONNECTION_STRING: `AccountKey=${KEY};BlobEndpoint=SECRET` }, /quote it/],
  ])('%s', async (_, env, hint) => {
    const error: unknown = await findAccess(PLACE, env, noLogin).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'usage', hint: expect.stringMatching(hint) })
    expect(String(error)).not.toContain('SECRET')
    expect(String(error)).not.toContain(KEY)
  })
})

test('without any, and without the package that finds a login, it is said how to get them', async () => {
  await expect(findAccess(PLACE, {}, noLogin)).rejects.toMatchObject({
    code: 'unauthorized',
    side: 'target',
    hint: expect.stringMatching(/AZURE_STORAGE_KEY.*npm install @azure\/identity/),
  })
})

test('a login that fails is told with the way out', async () => {
  const getToken = async (): Promise<never> => {
    throw Object.assign(new Error('nobody is logged in\nmore'), { name: 'CredentialUnavailableError' })
  }
  const store = await openAzureStore({ ...PLACE, env: {}, loadLogin: async () => ({ getToken }) })
  await expect(store.head('v2/a')).rejects.toMatchObject({
    code: 'unauthorized',
    message: 'cannot look at v2/a in azure://registry/$web: there is no token: nobody is logged in',
    hint: expect.stringContaining('az login'),
  })
  await store.close()
})
