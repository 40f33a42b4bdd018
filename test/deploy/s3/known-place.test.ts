import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { askSdk, loadSdk } from '../../../src/deploy/s3/client.ts'
import { type KnownPlace, knownPlace } from '../../../src/deploy/s3/known-place.ts'
import type { Base, S3Place } from '../../../src/deploy/s3/place.ts'
import { createTransport } from '../../../src/deploy/s3/transport.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { stubCredentials } from './support.ts'

type Variables = Readonly<Record<string, string>>

interface Case {
  readonly place: Partial<S3Place>
  readonly env?: Variables
}

describe('what is known without the SDK is what the SDK makes out', () => {
  test.each<Case>([
    { place: { region: 'eu-west-1' } },
    { place: { region: 'us-east-1' } },
    { place: { region: 'ap-southeast-7', bucket: 'a-b-0' } },
    { place: { region: 'eu-west-1', pathStyle: true } },
    { place: {}, env: { AWS_REGION: 'ca-central-1' } },
    {
      place: { region: 'eu-west-1' },
      env: { AWS_REGION: 'ca-central-1', AWS_SESSION_TOKEN: 'token', AWS_ACCOUNT_ID: '123456789012' },
    },
    { place: { region: 'eu-west-1' }, env: { AWS_PROFILE: '', AWS_ENDPOINT_URL: '', AWS_SESSION_TOKEN: '' } },
    { place: { endpoint: 'https://s3.fr-par.scw.cloud', region: 'fr-par' } },
    { place: { endpoint: 'https://s3.test' } },
    { place: { endpoint: 'https://s3.test' }, env: { AWS_REGION: 'garage' } },
    { place: { endpoint: 'https://0123.r2.cloudflarestorage.com', region: 'auto' } },
    { place: { endpoint: 'https://s3.test:443/', region: 'us-east-1', pathStyle: true } },
    { place: { endpoint: 'http://s3.lab:9000' } },
    { place: { endpoint: 'http://s3.lab:80', bucket: 'abc' } },
    { place: { endpoint: 'http://127.0.0.1:9000' } },
    { place: { endpoint: 'http://127.0.0.1:9000', pathStyle: false } },
    { place: { endpoint: 'http://localhost:9000' } },
    { place: { endpoint: 'http://localhost:9000', pathStyle: false } },
    { place: { endpoint: 'https://s3.eu-west-3.amazonaws.com', region: 'eu-west-3' } },
    { place: {}, env: { AWS_ENDPOINT_URL: 'http://localhost:9000' } },
    { place: {}, env: { AWS_ENDPOINT_URL: 'https://any.test', AWS_ENDPOINT_URL_S3: 'https://s3.test' } },
    { place: { endpoint: 'https://flag.test' }, env: { AWS_ENDPOINT_URL_S3: 'https://s3.test' } },
    { place: { region: 'eu-west-1' }, env: { AWS_ENDPOINT_URL_S3: 'https://s3.test' } },
  ])('%j', async ({ place, env = {} }) => {
    const known = await ask(knownPlaceOf(place, env))
    expect(known).toEqual(await ask(await bySdk(place)))
    expect(known.credentials).toMatchObject({ accessKeyId: 'key', secretAccessKey: 'secret' })
  })
})

describe('the SDK is asked', () => {
  test.each<Case & { readonly why: string }>([
    { why: 'for a profile', place: { region: 'eu-west-1' }, env: { AWS_PROFILE: 'other' } },
    { why: 'without a key', place: { region: 'eu-west-1' }, env: { AWS_ACCESS_KEY_ID: '' } },
    { why: 'without a secret', place: { region: 'eu-west-1' }, env: { AWS_SECRET_ACCESS_KEY: '' } },
    {
      why: 'for credentials that expire',
      place: { region: 'eu-west-1' },
      env: { AWS_CREDENTIAL_EXPIRATION: '2099-01-01T00:00:00Z' },
    },
    { why: 'for a scope', place: { region: 'eu-west-1' }, env: { AWS_CREDENTIAL_SCOPE: 'eu-west-2' } },
    { why: 'without a region', place: {} },
    { why: 'for China', place: { region: 'cn-north-1' } },
    { why: 'for a government', place: { region: 'us-gov-west-1' } },
    { why: 'for no one region', place: { region: 'aws-global' } },
    { why: 'for FIPS', place: { region: 'eu-west-1' }, env: { AWS_USE_FIPS_ENDPOINT: 'true' } },
    { why: 'for FIPS by region', place: { endpoint: 'https://s3.test', region: 'fips-us-east-1' } },
    { why: 'for dual stack', place: { region: 'eu-west-1' }, env: { AWS_USE_DUALSTACK_ENDPOINT: 'true' } },
    { why: 'for SigV4a', place: { region: 'eu-west-1' }, env: { AWS_AUTH_SCHEME_PREFERENCE: 'sigv4a' } },
    {
      why: 'for endpoints to be ignored',
      place: {},
      env: { AWS_ENDPOINT_URL: 'https://a.test', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
    },
    { why: 'for a name with dots', place: { region: 'eu-west-1', bucket: 'a.bucket' } },
    { why: 'for a bucket of another kind', place: { region: 'eu-west-1', bucket: 'bucket--euw1-az1--x-s3' } },
    {
      why: 'for an access point',
      place: { region: 'eu-west-1', bucket: 'arn:aws:s3:eu-west-1:123456789012:accesspoint/a' },
    },
    { why: 'for an endpoint with a path', place: { endpoint: 'https://s3.test/below' } },
    { why: 'for an endpoint of IPv6', place: { endpoint: 'http://[::1]:9000' } },
    { why: 'for an endpoint that is none', place: {}, env: { AWS_ENDPOINT_URL: 's3.test' } },
  ])('$why', ({ place, env = {} }) => {
    expect(knownPlaceOf(place, env)).toBeUndefined()
  })

  test.each<readonly [string, Partial<S3Place>, boolean]>([
    ['region = eu-west-2', { endpoint: 'https://s3.test' }, false],
    ['region = eu-west-2', { endpoint: 'https://s3.test', region: 'eu-west-1' }, true],
    ['endpoint_url = https://s3.test', { region: 'eu-west-1' }, false],
    ['services = mine', { region: 'eu-west-1' }, false],
    ['use_dualstack_endpoint = true', { region: 'eu-west-1' }, false],
    ['auth_scheme_preference = sigv4a', { region: 'eu-west-1' }, false],
    ['output = json', { endpoint: 'https://s3.test' }, true],
  ])('where a file says that %s, of %j: known all the same is %s', async (line, place, isKnown) => {
    const file = join(await makeTemporaryFolder(), 'config')
    await writeFile(file, `[default]\n${line}\n`)
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) {
      const known = knownPlaceOf(place, { [name]: file })
      expect(known !== undefined).toBe(isKnown)
      if (known !== undefined) expect(await ask(known)).toEqual(await ask(await bySdk(place)))
    }
  })
})

function knownPlaceOf(place: Partial<S3Place>, env: Variables): KnownPlace | undefined {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  stubCredentials(env)
  return knownPlace({ bucket: 'bucket', ...place })
}

/** In the environment that {@link knownPlaceOf} made. */
async function bySdk(place: Partial<S3Place>): Promise<KnownPlace> {
  const transport = createTransport({ env: {} })
  onTestFinished(() => transport.close())
  const whole = { bucket: 'bucket', ...place }
  return askSdk(await loadSdk(whole, transport), whole.bucket)
}

async function ask(
  known: KnownPlace | undefined,
): Promise<Omit<Base, 'url'> & { readonly url: string; readonly credentials: object }> {
  if (known === undefined) return expect.fail('it is not known')
  const { accessKeyId, secretAccessKey, sessionToken } = await known.credentials()
  const { url, region, isHost } = known.base
  return { url: url.href, region, isHost, credentials: { accessKeyId, secretAccessKey, sessionToken } }
}
