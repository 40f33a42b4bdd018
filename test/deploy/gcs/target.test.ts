import { expect, test } from 'vitest'
import { parseGcsTarget, publicHostOf } from '../../../src/deploy/gcs/target.ts'

test.each([
  [{ bucket: 'my-registry' }, { bucket: 'my-registry', endpoint: 'https://storage.googleapis.com', anonymous: false }],
  [{ bucket: 'gs://my-registry/' }, { bucket: 'my-registry' }],
  [
    { bucket: 'abc', endpoint: 'http://localhost:4443' },
    { endpoint: 'http://localhost:4443', anonymous: true },
  ],
  [
    { bucket: 'abc', endpoint: '127.0.0.1:4443' },
    { endpoint: 'http://127.0.0.1:4443', anonymous: true },
  ],
  [
    { bucket: 'abc', endpoint: 'https://127.0.0.1:4443' },
    { endpoint: 'https://127.0.0.1:4443', anonymous: true },
  ],
  [
    { bucket: 'abc', endpoint: 'private.googleapis.com' },
    { endpoint: 'https://private.googleapis.com', anonymous: false },
  ],
  [
    { bucket: 'abc', endpoint: 'http://gcs.example.com' },
    { endpoint: 'http://gcs.example.com', anonymous: true },
  ],
  [
    { bucket: 'abc', emulator: 'gcs:4443' },
    { endpoint: 'http://gcs:4443', anonymous: true },
  ],
  [
    { bucket: 'abc', emulator: 'https://gcs.example.com' },
    { endpoint: 'https://gcs.example.com', anonymous: true },
  ],
  [{ bucket: 'abc', endpoint: 'https://storage.googleapis.com', emulator: 'gcs:1' }, { anonymous: false }],
])('%j', (input, expected) => {
  expect(parseGcsTarget(input)).toMatchObject(expected)
})

test.each([
  [{ bucket: '' }, /names no bucket/],
  [{ bucket: 'My_Registry' }, /capital letters or an underscore/],
  [{ bucket: 'ab' }, /3 to 63/],
  [{ bucket: 'a..b' }, /not a bucket's name/],
  [{ bucket: '10.0.0.1' }, /address/],
  [{ bucket: 'google-x' }, /Google keeps/],
  [{ bucket: 's3://abc' }, /not a bucket/],
  [{ bucket: 'abc/registry' }, /folder of a bucket/],
  [{ bucket: 'abc', endpoint: 'ftp://x' }, /--gcs-endpoint .* not an endpoint/],
  [{ bucket: 'abc', endpoint: 'https://user:password@x' }, /^--gcs-endpoint "https:\/\/x" is not an endpoint/],
  [{ bucket: 'gs://0user:password@x/y' }, /^"gs:\/\/x\/y" is not a bucket/],
  [{ bucket: 'abc', endpoint: 'https://x/storage/v1' }, /has a path/],
  [{ bucket: 'abc', emulator: 'http://x y' }, /STORAGE_EMULATOR_HOST/],
])('refuses %j', (input, message) => {
  expect(() => parseGcsTarget(input)).toThrow(
    expect.objectContaining({ code: 'usage', message: expect.stringMatching(message) }),
  )
})

test('warns of plain HTTP, where nobody logs in, and of dots', () => {
  expect(parseGcsTarget({ bucket: 'abc', endpoint: 'http://gcs.example.com' }).notes).toEqual([
    expect.stringContaining('plain HTTP'),
  ])
  expect(parseGcsTarget({ bucket: 'a.b.example.com' }).notes).toEqual([expect.stringContaining('has a dot')])
  expect(parseGcsTarget({ bucket: 'abc', endpoint: 'http://localhost:1' }).notes).toEqual([])
})

test('tells the host that clients pull from where there is one', () => {
  const host = (bucket: string, endpoint?: string): string | undefined =>
    publicHostOf(parseGcsTarget({ bucket, endpoint }))
  expect(host('my-registry')).toBe('my-registry.storage.googleapis.com')
  expect(host('my.registry')).toBeUndefined()
  expect(host('my-registry', 'http://localhost:1')).toBeUndefined()
})
