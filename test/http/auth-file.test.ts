import { describe, expect, test } from 'vitest'
import type { RegistrishError } from '../../src/errors.ts'
import { type Credentials, parseAuthFile, readAuthFile } from '../../src/http/auth-file.ts'
import { failureOf } from '../registry/registry-support.ts'

const encode = (text: string): string => Buffer.from(text).toString('base64')

function entry(value: unknown): Credentials | RegistrishError | undefined {
  return parseAuthFile(JSON.stringify({ auths: { host: value } }), 'file').auths.get('host')
}

test.each([
  ['host', 'host'],
  ['Host:5000', 'host:5000'],
  ['https://host', 'host'],
  ['https://host/', 'host'],
  ['http://host/v1/', 'host'],
  ['https://host/v2/', 'host'],
  ['https://host/any/path', 'host'],
  ['host/v1', 'host'],
  ['host/team/app', 'host/team/app'],
  ['https://index.docker.io/v1/', 'docker.io'],
  ['index.docker.io', 'docker.io'],
  ['registry-1.docker.io', 'docker.io'],
  ['docker.io/library', 'docker.io/library'],
])('the key %s means %s', (key, normal) => {
  const auths = { [key]: { registrytoken: 'x' } }
  expect([...parseAuthFile(JSON.stringify({ auths }), 'file').auths.keys()]).toEqual([normal])
})

describe('an entry', () => {
  const password = { kind: 'password', origin: 'file' }

  test.each<[string, unknown, unknown]>([
    ['user and password', { auth: encode('user:password') }, { ...password, username: 'user', password: 'password' }],
    ['a password with colons', { auth: encode('u:p:q') }, { ...password, username: 'u', password: 'p:q' }],
    ['an empty password', { auth: encode('u:') }, { ...password, username: 'u', password: '' }],
    ['padding of NULs', { auth: encode('u:p\0\0') }, { ...password, username: 'u', password: 'p' }],
    ['letters of any script', { auth: encode('ü:ß') }, { ...password, username: 'ü', password: 'ß' }],
    ['separate fields', { username: 'u', password: 'p' }, { ...password, username: 'u', password: 'p' }],
    [
      'an identity token',
      { auth: encode('u:'), identitytoken: 'id' },
      { kind: 'identity', username: 'u', token: 'id', origin: 'file' },
    ],
    ['a registry token', { registrytoken: 'tok' }, { kind: 'bearer', token: 'tok', origin: 'file' }],
    ['nothing, where a helper keeps it', {}, undefined],
    ['null', null, undefined],
  ])('holds %s', (_, value, wanted) => {
    expect(entry(value)).toEqual(wanted)
  })
})

describe('a broken entry', () => {
  test.each([
    ['secret', 'the entry of host is no object'],
    [{ auth: encode('secret') }, '"auth" of host is not base64 of user:password'],
    [{ auth: encode(':secret') }, '"auth" of host is not base64 of user:password'],
  ])('is named for who needs it, and not repeated: %j', (value, reason) => {
    const error = entry(value)
    expect(error).toMatchObject({
      code: 'usage',
      side: 'source',
      message: `the credentials in file cannot be read: ${reason}`,
      hint: expect.stringContaining('--authfile'),
    })
    expect(String((error as Error).stack)).not.toMatch(/secret|c2Vjc/)
  })

  test('leaves the others as they are', () => {
    const { auths } = parseAuthFile('{"auths":{"bad":"x","host":{"registrytoken":"tok"}}}', 'file')
    expect(auths.get('host')).toMatchObject({ kind: 'bearer', token: 'tok' })
  })
})

describe('a file', () => {
  test('names helpers', () => {
    const file = parseAuthFile(
      JSON.stringify({ credsStore: 'desktop', credHelpers: { 'https://gcr.io': 'gcloud', off: '' }, HttpHeaders: {} }),
      'file',
    )
    expect([file.store, [...file.helpers]]).toEqual(['desktop', [['gcr.io', 'gcloud']]])
  })

  test.each(['', '  \n', '{}', '{"auths":null}'])('may be empty: %j', text => {
    expect(parseAuthFile(text, 'file').auths.size).toBe(0)
  })

  test('that is not there is none', async () => {
    expect(await readAuthFile('/nowhere/config.json')).toBeUndefined()
  })

  test('that cannot be read is an error', async () => {
    expect(await failureOf(readAuthFile('/'))).toMatchObject({ code: 'io', side: 'source' })
  })

  test.each([
    ['{"auths":{"host":{"auth":"c2VjcmV0OnNlY3JldA=="}}', 'it is not JSON'],
    ['["secret"]', 'it is no JSON object'],
    ['{"auths":["secret"]}', '"auths" is no object'],
    ['{"credHelpers":{"host":5}}', '"credHelpers" of host is no name'],
  ])('that is broken is named, and not repeated: %s', async (text, reason) => {
    const error = await failureOf((async () => parseAuthFile(text, '/home/u/config.json'))())
    expect(error).toMatchObject({
      code: 'usage',
      side: 'source',
      message: `the credentials in /home/u/config.json cannot be read: ${reason}`,
    })
    expect(error.hint).toContain('--authfile')
    expect(`${error.stack}${String(error.cause)}`).not.toMatch(/secret|c2Vjc/)
  })
})
