import { GetBucketPolicyCommand, PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseCommandLine } from '../../src/cli/parse.ts'
import { deletionsKey, publicPrefix } from '../../src/tree/layout.ts'
import { type RawAnswer, rawRequest } from '../contract/raw-request.ts'
import { type ObjectStoreServer, startObjectStore } from './support/object-stores.ts'
import { describeWith } from './support/suites.ts'

/* What `setup --apply` makes of a bucket, seen as anyone sees it, on real servers. */

const BUCKET = 'set-up'
const MANIFEST = 'v2/app/manifests/latest'

/** What each server has besides a policy. */
const KNOWN = { versitygw: ['website', 'cors'], minio: [] } as const

describeWith(['versitygw'], 'a bucket of versitygw', () => suite('versitygw'))
describeWith(['minio'], 'a bucket of MinIO', () => suite('minio'))

function suite(kind: 'versitygw' | 'minio'): void {
  let server: ObjectStoreServer
  beforeAll(async () => {
    server = await startObjectStore(kind)
  })
  afterAll(() => server.stop())

  /** Asks the bucket's own host, without credentials. */
  const ask = async (path: string, method = 'GET', body?: string): Promise<RawAnswer> => {
    const host = server.host.replace(/^[^.]+/, BUCKET)
    return rawRequest(server.endpoint, { path, method, headers: { host }, ...(body === undefined ? {} : { body }) })
  }
  const statusOf = async (path: string, method?: string, body?: string): Promise<number> =>
    (await ask(path, method, body)).status

  test('is made, and told what the store knows', async () => {
    const outcomes = await apply(server)
    const told = (part: string): string => ((KNOWN[kind] as readonly string[]).includes(part) ? 'done' : 'unknown')
    expect(outcomes).toEqual({
      bucket: 'done',
      'public-access': 'unknown',
      policy: 'done',
      website: told('website'),
      cors: told('cors'),
      lifecycle: told('lifecycle'),
    })
  })

  test('is not told again', async () => {
    const outcomes = await apply(server)
    expect(outcomes).toMatchObject({ bucket: 'unchanged', policy: 'unchanged' })
    expect(Object.values(outcomes)).not.toContain('done')
  })

  test('serves what is in v2/ and nothing else', async () => {
    for (const Key of [publicPrefix, MANIFEST, deletionsKey, 'other'])
      await server.client.send(
        new PutObjectCommand({ Bucket: BUCKET, Key, ...(Key.endsWith('/') ? { ContentLength: 0 } : { Body: 'x' }) }),
      )
    expect(await statusOf('/v2/')).toBe(200)
    expect((await ask(`/${MANIFEST}`)).body.toString()).toBe('x')
    expect(await statusOf(`/${MANIFEST}`, 'HEAD')).toBe(200)
    expect(await statusOf('/v2/app/manifests/none')).toBe(404)
    expect(await statusOf('/v2/app/manifests/none', 'HEAD')).toBe(404)
    expect(await statusOf(`/${deletionsKey}`)).toBe(403)
    expect(await statusOf('/other')).toBe(403)
  })

  test('takes nothing from anyone', async () => {
    expect(await statusOf(`/${MANIFEST}`, 'PUT', 'y')).toBe(403)
    expect(await statusOf('/v2/new', 'PUT', 'y')).toBe(403)
    expect(await statusOf(`/${MANIFEST}`, 'DELETE')).toBe(403)
    expect(await statusOf('/?policy', 'PUT', '{}')).toBe(403)
    expect((await ask(`/${MANIFEST}`)).body.toString()).toBe('x')
  })

  test('keeps what its policy says besides, listed or not', async () => {
    const theirs = {
      Sid: 'Theirs',
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${BUCKET}/other`,
    }
    const policy = { Version: '2012-10-17', Statement: [theirs] }
    await server.client.send(new PutBucketPolicyCommand({ Bucket: BUCKET, Policy: JSON.stringify(policy) }))
    expect(await statusOf(`/${MANIFEST}`)).toBe(403)
    expect(await apply(server, '--unlisted')).toMatchObject({ policy: 'done' })
    expect(await statusOf('/?list-type=2')).toBe(403)
    expect(await apply(server)).toMatchObject({ policy: 'done' })
    expect(await statusOf('/?list-type=2')).toBe(200)
    expect([await statusOf(`/${MANIFEST}`), await statusOf('/other')]).toEqual([200, 200])
    const { Policy = '' } = await server.client.send(new GetBucketPolicyCommand({ Bucket: BUCKET }))
    for (const sid of ['Theirs', 'RegistrishRead', 'RegistrishList']) expect(Policy.split(sid)).toHaveLength(2)
  })
}

/** Runs `setup --apply` in this process, which has the credentials since the server was started; gives the outcome of each part. */
async function apply({ endpoint }: ObjectStoreServer, ...more: string[]): Promise<Readonly<Record<string, string>>> {
  const words = ['setup', '--s3', BUCKET, '--s3-endpoint', endpoint, '--apply', ...more]
  const parsed = await parseCommandLine(words)
  if (parsed.type !== 'command') throw new Error('no command')
  const printed: string[] = []
  const code = await parsed.command.run(parsed.args, {
    signal: new AbortController().signal,
    output: 'ndjson',
    onProgress: () => undefined,
    print: line => printed.push(line),
    say: () => undefined,
    complain: () => undefined,
  })
  expect(code).toBe(0)
  const { results } = JSON.parse(printed.join('')) as { readonly results: readonly Result[] }
  return Object.fromEntries(results.map(({ part, outcome }) => [part, outcome]))
}

interface Result {
  readonly part: string
  readonly outcome: string
}
