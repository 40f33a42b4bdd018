import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { azureError } from '../../../src/deploy/azure/errors.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import { RegistrishError } from '../../../src/errors.ts'
import { made } from '../../contract/object-store-support.ts'
import { ACCOUNT, KEY, openOn, type Said, startFakeAzure, WRITTEN } from './support.ts'

/** The error that a write ends with where the service always says the same. */
async function failOn(said: Said, container = '$web'): Promise<RegistrishError> {
  const { store } = await openOn(await startFakeAzure(() => said), { container })
  const error: unknown = await store.put(made('v2/a', 'a')).catch((cause: unknown) => cause)
  if (!(error instanceof RegistrishError)) throw new Error(`no error of ours: ${String(error)}`)
  expect(error.side).toBe('target')
  expect(error.message).not.toContain('RequestId')
  return error
}

describe('what the service refuses, and the way out', () => {
  test.each<[number, string, ErrorCode, RegExp]>([
    [404, 'ContainerNotFound', 'not-found', /registrish setup --azure registry/],
    [404, 'ResourceNotFound', 'not-found', /names of the account/],
    [403, 'AuthorizationPermissionMismatch', 'unauthorized', /Storage Blob Data Contributor/],
    [403, 'AuthorizationFailure', 'unauthorized', /racwdl.*firewall/],
    [403, 'AuthenticationFailed', 'unauthorized', /key or SAS token.*clock/],
    [403, 'KeyBasedAuthenticationNotPermitted', 'unauthorized', /az login/],
    [403, 'AccountIsDisabled', 'unauthorized', /subscription/],
    [403, 'SomethingNew', 'unauthorized', /Storage Blob Data Contributor/],
    [409, 'ContainerBeingDeleted', 'conflict', /wait a minute/],
    [409, 'BlobImmutableDueToPolicy', 'conflict', /immutable/],
    [412, 'LeaseIdMissing', 'conflict', /lease/],
    [400, 'AccountRequiresHttps', 'usage', /https:\/\//],
    [413, 'RequestBodyTooLarge', 'limit', /size/],
    [400, 'InvalidInput', 'bad-answer', /--azure-endpoint/],
  ])('%d %s is %s', async (status, code, expected, hint) => {
    const error = await failOn({ status, code })
    expect(error.code).toBe(expected)
    expect(error.hint).toMatch(hint)
    expect(error.message).toContain(`cannot write v2/a in azure://${ACCOUNT}/$web: `)
    expect(error.message).toContain(code)
  })

  test('a container of another name is made by another command', async () => {
    const error = await failOn({ status: 404, code: 'ContainerNotFound' }, 'images')
    expect(error.hint).toMatch(/az storage container create --account-name registry --name images/)
  })

  test.each<[Said, ErrorCode]>([
    [{ status: 200, foreign: true, headers: { 'content-type': 'text/html' }, body: '<h1>Log in</h1>' }, 'bad-answer'],
    [{ status: 302, foreign: true, headers: { location: 'https://login.test/' } }, 'bad-answer'],
    [{ status: 403, foreign: true, headers: { 'content-type': 'text/html' } }, 'bad-answer'],
  ])('what is not Azure is not taken for it: %j', async (said, code) => {
    const error = await failOn(said)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(/not Azure/)
    expect(error.hint).toMatch(/login page/)
  })

  test('a service that is busy through all tries', async () => {
    const fake = await startFakeAzure(() => ({ status: 503, code: 'ServerBusy' }))
    const { store, retries } = await openOn(fake)
    await expect(store.head('v2/a')).rejects.toMatchObject({ code: 'rate-limited', side: 'target' })
    expect(retries).toHaveLength(7)
    expect(fake.asked).toHaveLength(8)
  })

  test.each([
    ['getaddrinfo ENOTFOUND registry.blob.core.windows.net', /storage account registry.*setup --azure registry/],
    ['connect ECONNREFUSED 127.0.0.1:10000', /check --azure-endpoint, and run the same command again/],
    ['wrong version number', /http:\/\//],
  ])('no connection: %s', (text, hint) => {
    const cause = Object.assign(new Error(text), { code: /E[A-Z]+/.exec(text)?.[0] })
    const place = { account: ACCOUNT, container: '$web' }
    const error = azureError(new RegistrishError('unreachable', 'no', { side: 'source', cause }), { place, doing: 'x' })
    expect(error).toMatchObject({ code: 'unreachable', side: 'target', hint: expect.stringMatching(hint) })
  })

  test('no secret is in what is said, nor in what is kept of it', async () => {
    const fake = await startFakeAzure(() => ({ status: 403, code: 'AuthenticationFailed' }))
    const sas = 'sv=2026-02-06&sig=SECRETSIGNATURE'
    for (const env of [{ AZURE_STORAGE_KEY: KEY }, { AZURE_STORAGE_SAS_TOKEN: sas }]) {
      const { store } = await openOn(fake, { env })
      const error: unknown = await store.head('v2/a').catch((cause: unknown) => cause)
      if (!(error instanceof RegistrishError)) throw new Error('no error')
      const all = inspect(error, { depth: 20, showHidden: true, customInspect: false })
      expect(all).toContain('AuthenticationFailed')
      for (const secret of ['SECRETSIGNATURE', 'SharedKey registry:', KEY.slice(0, 20)])
        expect(all).not.toContain(secret)
    }
    expect(fake.asked[0]?.headers.authorization).toMatch(/^SharedKey registry:/)
    expect(fake.asked[1]?.query.get('sig')).toBe('SECRETSIGNATURE')
    expect(fake.asked[1]?.headers.authorization).toBeUndefined()
  })
})

test.each<[Said, boolean]>([
  [{ status: 404, code: 'BlobNotFound' }, true],
  [{ status: 404 }, true],
  [{ status: 404, code: 'ContainerNotFound' }, false],
  [{ status: 404, foreign: true }, false],
  [{ status: 403, code: 'AuthorizationFailure' }, false],
])('%j means that there is no such blob: %j', async (said, isMissing) => {
  const { store } = await openOn(await startFakeAzure(() => said))
  const calls = [() => store.head('v2/a'), () => store.get('v2/a', { limit: 1 }), () => store.delete(['v2/a'])]
  for (const call of calls) {
    if (isMissing) expect(await call()).toBeUndefined()
    else await expect(call()).rejects.toBeInstanceOf(RegistrishError)
  }
})

describe('conditions', () => {
  test.each([
    [409, 'BlobAlreadyExists', undefined],
    [412, 'ConditionNotMet', undefined],
    [412, 'TargetConditionNotMet', undefined],
    [412, 'LeaseIdMissing', 'conflict'],
    [409, 'BlobImmutableDueToPolicy', 'conflict'],
    [404, 'ContainerNotFound', 'not-found'],
  ])('%d %s', async (status, code, expected) => {
    const { store } = await openOn(await startFakeAzure(() => ({ status, code })))
    const written = store.put(made('v2/a', 'a'), { condition: 'absent' })
    if (expected === undefined) expect(await written).toBeUndefined()
    else await expect(written).rejects.toMatchObject({ code: expected })
    await expect(store.put(made('v2/a', 'a'))).rejects.toBeInstanceOf(RegistrishError)
  })

  test('are sent as the service wants them', async () => {
    const fake = await startFakeAzure(() => WRITTEN)
    const { store } = await openOn(fake)
    expect(await store.put(made('v2/a', 'a'), { condition: 'absent' })).toBe('0x2')
    expect(await store.put(made('v2/a', 'a'), { condition: { etag: '0x1' } })).toBe('0x2')
    const headers = fake.asked.map(one => [one.headers['if-none-match'], one.headers['if-match']])
    expect(headers).toEqual([
      ['*', undefined],
      [undefined, '"0x1"'],
    ])
  })
})
