import { afterEach, expect, test, vi } from 'vitest'
import type { Arguments } from '../../src/cli/command.ts'
import { storeOf } from '../../src/cli/targets/targets.ts'
import { expectCode } from '../contract/object-store-support.ts'

/* Stores beside S3: what their flags and variables come to. Nothing is sent. */

afterEach(() => void vi.unstubAllEnvs())

const NAMES = ['BUNNY_STORAGE_PASSWORD', 'BUNNY_STORAGE_API_KEY', 'BUNNY_ACCESS_KEY', 'BUNNY_STORAGE_REGION']

function stub(variables: Readonly<Record<string, string>>): void {
  for (const name of [...NAMES, 'STORAGE_EMULATOR_HOST']) vi.stubEnv(name, variables[name] ?? '')
}

const options = { onProgress: () => {}, jobs: 16 }

test.each([
  [{ gcs: 'gs://my-registry' }, {}, '--gcs my-registry', 'my-registry.storage.googleapis.com'],
  [{ gcs: 'abc', 'gcs-endpoint': 'localhost:1' }, {}, '--gcs abc --gcs-endpoint http://localhost:1', undefined],
  [{ gcs: 'abc' }, { STORAGE_EMULATOR_HOST: 'localhost:1' }, '--gcs abc', undefined],
] as const)('%j with %j', async (args: Arguments, variables, flags, host) => {
  stub(variables)
  const target = storeOf(args)
  expect(target).toMatchObject({ flags, setup: expect.stringMatching(/^registrish setup --gcs /) })
  const store = await target.open(options)
  expect(store).toMatchObject({ title: expect.stringMatching(/^gs:\/\//) })
  expect(store.publicHost).toBe(host)
  await store.close()
})

test.each([
  [{ bunny: 'zone' }, '--bunny zone'],
  [{ bunny: 'zone', 'bunny-region': 'ny' }, '--bunny zone --bunny-region ny'],
  [{ bunny: 'zone', 'bunny-endpoint': 'http://127.0.0.1:1' }, '--bunny zone --bunny-endpoint http://127.0.0.1:1'],
] as const)('%j', async (args: Arguments, flags) => {
  stub({ BUNNY_ACCESS_KEY: 'secret', BUNNY_STORAGE_REGION: 'sg' })
  const target = storeOf(args)
  expect(target).toMatchObject({ flags, notes: [expect.stringContaining('--url')], unproven: expect.any(String) })
  const store = await target.open(options)
  expect(store).toMatchObject({ title: 'bunny://zone' })
  await store.close()
})

test.each([
  [{ s3: 's3://abc' }, '--s3 abc'],
  [{ s3: 'abc', 's3-endpoint': 'http://127.0.0.1:1' }, '--s3 abc --s3-endpoint http://127.0.0.1:1'],
  [
    { s3: 'abc', 's3-endpoint': 'http://minio:1', 's3-path-style': true, 's3-region': 'ny', 's3-acl': 'public-read' },
    '--s3 abc --s3-endpoint http://minio:1 --s3-region ny --s3-path-style --s3-acl public-read',
  ],
])('setup is told all that the flags say: %j', (args: Arguments, flags) => {
  stub({})
  expect(storeOf(args)).toMatchObject({ flags, setup: `registrish setup ${flags}` })
})

test('a zone is not opened without a password, and says where it is', async () => {
  stub({})
  await expectCode(storeOf({ bunny: 'zone' }).open(options), 'unauthorized', 'target')
})

test('flags of another store are not passed over', () => {
  stub({})
  expect(() => storeOf({ gcs: 'abc', 'bunny-region': 'ny' })).toThrow(/--bunny-region is about --bunny/)
  expect(() => storeOf({ gcs: 'abc', bunny: 'zone' })).toThrow(/one place at a time/)
})
