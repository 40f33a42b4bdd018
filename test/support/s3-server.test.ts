import { Agent } from 'node:http'
import type { LookupFunction } from 'node:net'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
  type S3ClientConfig,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import { Bucket, errorOf, start } from './s3-server-client.ts'

/* The server is held to what AWS's own client expects of AWS. */

const Key = 'v2/a b/manifests/sha256:00'
const MIB = 1024 * 1024

describe('objects', () => {
  test('come back as they were put, whole and in ranges', async () => {
    const { client } = await start()
    const { ETag } = await client.send(
      new PutObjectCommand({ Bucket, Key, Body: 'content', ContentType: 'a/b', CacheControl: 'no-cache' }),
    )
    const object = await client.send(new GetObjectCommand({ Bucket, Key }))
    expect(await object.Body?.transformToString()).toBe('content')
    expect(object).toMatchObject({ ETag, ContentType: 'a/b', CacheControl: 'no-cache', ContentLength: 7 })
    const range = await client.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=-3' }))
    expect([await range.Body?.transformToString(), range.ContentRange]).toEqual(['ent', 'bytes 4-6/7'])
  })

  test('stand at the host name of their bucket too', async () => {
    const { server } = await start()
    const lookup: LookupFunction = (_, options, callback) =>
      options.all === true ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4)
    const { client } = await start(
      {},
      {
        endpoint: `http://s3.test:${server.port}`,
        forcePathStyle: false,
        requestHandler: { httpAgent: new Agent({ lookup }) },
      },
    )
    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
    expect([...server.bucket().objects.keys()]).toEqual([Key])
    expect(server.log[0]?.headers['host']).toBe(`bucket.s3.test:${server.port}`)
  })

  test('are listed in pages by tokens', async () => {
    const { client, server } = await start({ pageSize: 2 })
    for (const key of ['a0', 'a-b', 'a/c', 'a', 'a/b']) server.put(key, key)
    const pages: (readonly (string | undefined)[])[] = []
    let token: string | undefined
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket, Delimiter: '/', Prefix: 'a', ContinuationToken: token }),
      )
      pages.push([
        ...(page.Contents ?? []).map(each => each.Key),
        ...(page.CommonPrefixes ?? []).map(each => each.Prefix),
      ])
      token = page.NextContinuationToken
    } while (token !== undefined)
    expect(pages).toEqual([
      ['a', 'a-b'],
      ['a0', 'a/'],
    ])
    const wrong = client.send(new ListObjectsV2Command({ Bucket, ContinuationToken: 'YTA=' }))
    expect(await errorOf(wrong)).toEqual({ name: 'InvalidArgument', status: 400 })
  })

  test('are copied with their headers or with new ones, but not beyond the limit', async () => {
    const { client, server } = await start({ copyLimit: 5 })
    server.put(Key, 'small', { 'content-type': 'a/b' })
    server.put('large', 'larger')
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`
    await client.send(new CopyObjectCommand({ Bucket, Key: 'same', CopySource }))
    const replaced = { MetadataDirective: 'REPLACE', ContentType: 'c/d' } as const
    await client.send(new CopyObjectCommand({ Bucket, Key: 'other', CopySource, ...replaced }))
    expect(server.bucket().objects.get('same')?.headers).toEqual({ 'content-type': 'a/b' })
    expect(server.bucket().objects.get('other')?.headers).toEqual({ 'content-type': 'c/d' })
    const large = client.send(new CopyObjectCommand({ Bucket, Key: 'x', CopySource: `${Bucket}/large` }))
    expect(await errorOf(large)).toEqual({ name: 'InvalidRequest', status: 400 })
    const absent = client.send(new CopyObjectCommand({ Bucket, Key: 'x', CopySource: `${Bucket}/absent` }))
    expect(await errorOf(absent)).toEqual({ name: 'NoSuchKey', status: 404 })
  })

  test('are deleted by the thousand, with a checksum, and may fail one by one', async () => {
    const { client, server } = await start()
    for (const key of ['a', 'b', 'c&d']) server.put(key, key)
    server.fault({ kind: 'undeleted', key: /^b$/ })
    const Objects = ['a', 'b', 'c&d', 'absent'].map(each => ({ Key: each }))
    const { Deleted, Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    expect(Deleted?.map(each => each.Key)).toEqual(['a', 'c&d', 'absent'])
    expect(Errors?.map(each => [each.Key, each.Code])).toEqual([['b', 'InternalError']])
    expect([...server.bucket().objects.keys()]).toEqual(['b'])
  })
})

describe('uploads in parts', () => {
  test('are put together in the order of numbers, checked part by part', async () => {
    const { client, server } = await start()
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'a/b' }))
    const of = { Bucket, Key, UploadId }
    server.put('source', Buffer.alloc(7 * MIB, 'x'))
    const last = await client.send(new UploadPartCommand({ ...of, PartNumber: 9, Body: 'end' }))
    const first = await client.send(
      new UploadPartCopyCommand({
        ...of,
        PartNumber: 2,
        CopySource: `${Bucket}/source`,
        CopySourceRange: `bytes=1-${5 * MIB}`,
      }),
    )
    const parts = [
      { PartNumber: 2, ETag: first.CopyPartResult?.ETag },
      { PartNumber: 9, ETag: last.ETag },
    ]
    const complete = (Parts: typeof parts): Promise<unknown> =>
      client.send(new CompleteMultipartUploadCommand({ ...of, MultipartUpload: { Parts } }))
    expect((await errorOf(complete(parts.toReversed()))).name).toBe('InvalidPartOrder')
    expect((await errorOf(complete([{ PartNumber: 2, ETag: '"0"' }]))).name).toBe('InvalidPart')
    const small = await client.send(new UploadPartCommand({ ...of, PartNumber: 1, Body: 'small' }))
    expect((await errorOf(complete([{ PartNumber: 1, ETag: small.ETag }, ...parts]))).name).toBe('EntityTooSmall')
    expect((await client.send(new ListPartsCommand(of))).Parts).toHaveLength(3)
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'v2/' }))
    expect(Uploads?.map(each => each.UploadId)).toEqual([UploadId])
    expect(await complete(parts)).toMatchObject({ ETag: expect.stringMatching(/^"[0-9a-f]{32}-2"$/) })
    expect(server.bucket().objects.get(Key)).toMatchObject({ headers: { 'content-type': 'a/b' } })
    expect(server.bucket().objects.get(Key)?.bytes.length).toBe(5 * MIB + 3)
    expect((await errorOf(complete(parts))).name).toBe('NoSuchUpload')
  })

  test('are forgotten when they are aborted', async () => {
    const { client, server } = await start()
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }))
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    expect(server.bucket().uploads.size).toBe(0)
    const part = client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' }))
    expect((await errorOf(part)).name).toBe('NoSuchUpload')
  })
})

describe('conditions', () => {
  const put = (
    client: S3Client,
    condition: { readonly IfMatch?: string; readonly IfNoneMatch?: string },
  ): Promise<unknown> => client.send(new PutObjectCommand({ Bucket, Key, Body: 'new', ...condition }))

  test('hold or do not', async () => {
    const { client, server } = await start()
    expect(await errorOf(put(client, { IfMatch: '"0"' }))).toEqual({ name: 'NoSuchKey', status: 404 })
    await put(client, { IfNoneMatch: '*' })
    expect(await errorOf(put(client, { IfNoneMatch: '*' }))).toEqual({ name: 'PreconditionFailed', status: 412 })
    expect((await errorOf(put(client, { IfMatch: '"0"' }))).status).toBe(412)
    await put(client, { IfMatch: `"${server.bucket().objects.get(Key)?.etag}"` })
  })

  test('are ignored or refused where the store is such', async () => {
    const { client, server } = await start({ conditions: 'ignored' })
    server.put(Key, 'old')
    await put(client, { IfNoneMatch: '*' })
    expect(server.bucket().objects.get(Key)?.bytes.toString()).toBe('new')
    const refusing = await start({ conditions: 'refused' })
    expect(await errorOf(put(refusing.client, { IfNoneMatch: '*' }))).toEqual({ name: 'NotImplemented', status: 501 })
  })
})

describe('strictness', () => {
  test.each<[string, S3ClientConfig]>([
    ['SignatureDoesNotMatch', { credentials: { accessKeyId: 'key', secretAccessKey: 'wrong' } }],
    ['InvalidAccessKeyId', { credentials: { accessKeyId: 'wrong', secretAccessKey: 'secret' } }],
    ['AuthorizationHeaderMalformed', { region: 'eu-west-1' }],
    ['RequestTimeTooSkewed', { systemClockOffset: -3_600_000 }],
    ['InvalidArgument', { requestChecksumCalculation: 'WHEN_SUPPORTED' }],
  ])('%s', async (name, config) => {
    const { client, server } = await start({}, config)
    expect((await errorOf(client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' })))).name).toBe(name)
    expect(server.bucket().objects.size).toBe(0)
  })

  test('access lists are refused, unless they are allowed', async () => {
    const command = (): PutObjectCommand => new PutObjectCommand({ Bucket, Key, Body: 'x', ACL: 'public-read' })
    const { client } = await start()
    expect(await errorOf(client.send(command()))).toEqual({ name: 'AccessControlListNotSupported', status: 400 })
    const lenient = await start({ acls: true })
    await lenient.client.send(command())
    expect(lenient.server.bucket().objects.get(Key)?.acl).toBe('public-read')
    expect((await fetch(`${lenient.server.url}/${Bucket}/${Key}`)).status).toBe(200)
  })

  test('nobody writes without a signature, and bytes must be the signed ones', async () => {
    const { client, server } = await start({ public: 'get-and-list' })
    expect((await fetch(`${server.url}/${Bucket}/${Key}`, { method: 'PUT', body: 'x' })).status).toBe(403)
    client.middlewareStack.add(
      next => args => {
        const request = args.request as { body: unknown }
        request.body = 'y'
        return next(args)
      },
      { step: 'finalizeRequest', priority: 'low' },
    )
    const put = client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ContentMD5: undefined }))
    expect((await errorOf(put)).name).toBe('XAmzContentSHA256Mismatch')
  })
})

describe('what anyone sees', () => {
  test('objects below v2/ by policy; 404 or 403 for what is missing', async () => {
    for (const [as, missing] of [['get', 403] as const, ['get-and-list', 404] as const]) {
      const { server } = await start({ public: as })
      server.put('v2/', '', { 'content-type': 'application/json' })
      server.put('.registrish/x', 'x')
      const answer = await fetch(`${server.url}/${Bucket}/v2/`)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json'])
      expect((await fetch(`${server.url}/${Bucket}/v2/none`)).status).toBe(missing)
      expect((await fetch(`${server.url}/${Bucket}/.registrish/x`)).status).toBe(403)
      expect((await fetch(`${server.url}/${Bucket}?list-type=2`)).status).toBe(as === 'get' ? 403 : 200)
    }
  })

  test('the website endpoint: indexes of folders, the error document with its type', async () => {
    const { server } = await start({ public: 'get-and-list' })
    server.put('v2/index.json', '{}', { 'content-type': 'application/json' })
    server.put('v2/_404.json', '{"errors":[]}', { 'content-type': 'application/json' })
    const site =
      '<IndexDocument><Suffix>index.json</Suffix></IndexDocument><ErrorDocument><Key>v2/_404.json</Key></ErrorDocument>'
    server.bucket().configurations.set('website', `<WebsiteConfiguration>${site}</WebsiteConfiguration>`)
    const url = await server.openWebsite()
    expect(await (await fetch(`${url}/v2/`)).text()).toBe('{}')
    expect((await fetch(`${url}/v2`, { redirect: 'manual' })).headers.get('location')).toBe('/v2/')
    const missing = await fetch(`${url}/v2/none`)
    expect([missing.status, await missing.text()]).toEqual([404, '{"errors":[]}'])
    expect(missing.headers.get('content-type')).toBe('application/json')
  })
})

test('configurations are kept as they are given, and a public policy is refused while such are blocked', async () => {
  const { client, server } = await start()
  expect((await errorOf(client.send(new GetBucketPolicyCommand({ Bucket })))).name).toBe('NoSuchBucketPolicy')
  const statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/v2/*` }
  const Policy = JSON.stringify({ Statement: [statement] })
  const block = (BlockPublicPolicy: boolean): PutPublicAccessBlockCommand =>
    new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: { BlockPublicPolicy } })
  await client.send(block(true))
  expect((await errorOf(client.send(new PutBucketPolicyCommand({ Bucket, Policy })))).name).toBe('AccessDenied')
  await client.send(block(false))
  await client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  expect((await client.send(new GetBucketPolicyCommand({ Bucket }))).Policy).toBe(Policy)
  expect(server.bucket().configurations.get('policy')).toBe(Policy)
  expect((await errorOf(client.send(new HeadBucketCommand({ Bucket: 'absent' })))).status).toBe(404)
})
