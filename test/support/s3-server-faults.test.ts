import { CopyObjectCommand, HeadBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, test, vi } from 'vitest'
import { Bucket, errorOf, start } from './s3-server-client.ts'
import type { FaultKind } from './s3-server-faults.ts'

const Key = 'v2/a/manifests/latest'

describe('faults', () => {
  const done = new Set<FaultKind>(['reset-answering', 'truncated'])

  test.each<[FaultKind, number | undefined]>([
    ['slow-down', 503],
    ['internal-error', 500],
    ['too-many-requests', 429],
    ['access-denied', 403],
    ['request-timeout', 400],
    ['conflict', 409],
    ['clock-skew', 403],
    ['reset-unread', undefined],
    ['reset-reading', undefined],
    ['reset-answering', undefined],
    ['truncated', undefined],
  ])('%s, at the second request only', async (kind, status) => {
    const { client, server } = await start()
    server.fault({ kind, method: 'PUT', key: /b$/, nth: 2, after: 1 })
    const put = (key: string): Promise<unknown> =>
      client.send(new PutObjectCommand({ Bucket, Key: key, Body: 'bytes' }))
    await put('a/b')
    await put('a/c')
    expect((await errorOf(put('b'))).status).toBe(status)
    expect(server.bucket().objects.has('b')).toBe(done.has(kind))
    expect(server.faults.left).toBe(0)
    await put('b')
    expect(server.log.map(entry => entry.fault)).toEqual([undefined, undefined, kind, undefined])
  })

  test('race: another writer comes in between', async () => {
    const { client, server } = await start()
    server.fault({ kind: 'race', bytes: Buffer.from('other') })
    const put = client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', IfNoneMatch: '*' }))
    expect((await errorOf(put)).name).toBe('PreconditionFailed')
    expect(server.bucket().objects.get(Key)?.bytes.toString()).toBe('other')
  })

  test('an error in an answer of 200', async () => {
    const { client, server } = await start()
    server.put('source', 'x')
    server.fault({ kind: 'error-in-200', operation: 'CopyObject' })
    const copy = client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/source` }))
    expect((await errorOf(copy)).name).toBe('InternalError')
    expect(server.bucket().objects.has(Key)).toBe(false)
  })

  test('a hanging request ends when its client gives up', async () => {
    const { client, server } = await start()
    server.fault({ kind: 'hang' })
    const controller = new AbortController()
    const head = errorOf(client.send(new HeadBucketCommand({ Bucket }), { abortSignal: controller.signal }))
    await vi.waitFor(() => expect(server.log).toHaveLength(1))
    controller.abort()
    expect((await head).name).toBe('AbortError')
    await client.send(new HeadBucketCommand({ Bucket }))
    expect(server.lines()).toEqual(['HeadBucket  0', 'HeadBucket  200'])
  })

  test('Retry-After where it is asked for', async () => {
    const { server } = await start({ public: 'get' })
    server.put('v2/a', 'a')
    server.fault({ kind: 'slow-down', retryAfter: 3 })
    const answer = await fetch(`${server.url}/${Bucket}/v2/a`)
    expect(answer.headers.get('retry-after')).toBe('3')
    expect(await answer.text()).toMatch(
      /^<\?xml .*\?>\n<Error><Code>SlowDown<\/Code><Message>Please reduce your request rate\.</,
    )
  })
})
