import { describe, expect, test } from 'vitest'
import { makeArtifact, makeImage } from '../support/made-images.ts'
import { makeBlob } from '../support/made-layers.ts'
import { json } from '../support/registry-content.ts'
import { fails, first, only, tokenAuth } from '../support/registry-faults.ts'
import type { Hook } from '../support/test-registry.ts'
import { authorizationsOf, login } from './login-support.ts'
import { failureOf, openRegistry } from './registry-support.ts'

const IMAGE = await makeImage()

describe('a token', () => {
  test('is asked for anonymously with the scope of the challenge, then used for all that follows', async () => {
    const { registry, source } = await openRegistry({ latest: IMAGE }, { registry: { hook: tokenAuth() } })
    expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
    await source.open('app', IMAGE.root, { kind: 'manifest' })
    await source.tags?.('app')
    expect(registry.lines()).toEqual([
      'HEAD /v2/app/manifests/latest 401',
      'GET /token 200',
      'HEAD /v2/app/manifests/latest 200',
      `GET /v2/app/manifests/${IMAGE.root.digest} 200`,
      'GET /v2/app/tags/list 200',
    ])
    expect(registry.log[1]?.query.toString()).toBe('service=test+registry&scope=repository%3Aapp%3Apull')
    expect(registry.log[1]?.headers).not.toHaveProperty('authorization')
    expect(authorizationsOf(registry).slice(2)).toEqual(Array(3).fill('Bearer repository:app:pull#1'))
  })

  test('is asked for with a computed scope where the challenge has none, and keeps the query of the realm', async () => {
    const realm = (host: string): string => `http://${host}/token?a=1&service=other`
    const hook: Hook = (request, next) =>
      tokenAuth({ scope: '', realm: realm(request.headers['host'] ?? '') })(request, next)
    const { registry, source } = await openRegistry({ latest: IMAGE }, { registry: { hook } })
    await failureOf(source.resolve('team/app', 'latest'))
    expect(Object.fromEntries(registry.log[1]?.query ?? [])).toEqual({
      a: '1',
      service: 'other',
      scope: 'repository:team/app:pull',
    })
  })

  test('of ECR Public’s scope "aws" serves all repositories', async () => {
    const { registry, source } = await login(tokenAuth({ scope: 'aws' }), {})
    for (const repository of ['app', 'b']) await source.resolve(repository, 'latest')
    expect(registry.lines().filter(line => line.includes('token'))).toHaveLength(1)
    expect(registry.log.at(-1)?.headers['authorization']).toBe('Bearer aws#1')
  })

  test('is one for each repository otherwise', async () => {
    const { registry, source } = await login(tokenAuth(), {})
    for (const repository of ['app', 'b', 'app', 'b']) await source.resolve(repository, 'latest')
    expect(registry.lines().filter(line => line.includes('token'))).toHaveLength(2)
  })

  test('is asked for once however many wait for it', async () => {
    const { registry, source } = await openRegistry({ latest: IMAGE }, { registry: { hook: tokenAuth() } })
    await Promise.all(Array.from({ length: 8 }, async () => source.resolve('app', 'latest')))
    expect(registry.lines().filter(line => line.includes('token'))).toHaveLength(1)
  })

  test.each([401, 400])('that has expired between two requests is replaced once (%d)', async expiredStatus => {
    const { registry, source } = await login(tokenAuth({ uses: 2, expiredStatus }), {})
    for (let time = 0; time < 5; time += 1) expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
    expect(registry.log.map(({ status }) => status)).toEqual([
      ...[401, 200, 200, 200],
      ...[expiredStatus, 200, 200, 200],
      ...[expiredStatus, 200, 200],
    ])
  })

  test('that expires in the middle of a download is replaced for the rest', async () => {
    const bytes = makeBlob(200_000)
    const image = makeArtifact({ payload: bytes })
    const [digest] = [...image.blobs].find(([, held]) => held.length === bytes.length) ?? []
    if (digest === undefined) throw new Error('the artifact lacks its payload')
    const hook: Hook = (request, next) =>
      tokenAuthOnce(request, async changed => ({ ...(await next(changed)), breaks: { how: 'ends', after: 100_000 } }))
    const tokenAuthOnce = tokenAuth({ uses: 1 })
    const { source } = await openRegistry({ latest: image }, { registry: { hook } })
    const received: Uint8Array[] = []
    for (const offset of [0, 100_000]) {
      const content = await source.open(
        'app',
        { mediaType: 'x/y', digest, size: bytes.length },
        { kind: 'blob', offset },
      )
      expect(content.offset).toBe(offset)
      try {
        for await (const chunk of content.body) received.push(chunk)
      } catch (error) {
        expect(error).toMatchObject({ code: 'unreachable' })
      }
    }
    expect(Buffer.concat(received).equals(bytes)).toBe(true)
  })

  test('is asked for again before it expires by the clock, and kept until then', async () => {
    for (const [expiresIn, elapsed, tokens] of [
      [300, 289, 1],
      [300, 291, 2],
      [undefined, 49, 1],
      [undefined, 51, 2],
      [5, 49, 1],
    ] as const) {
      let now = 0
      const hook = tokenAuth(expiresIn === undefined ? {} : { expiresIn })
      const { registry, source } = await openRegistry(
        { latest: IMAGE },
        { registry: { hook }, source: { now: () => now } },
      )
      await source.resolve('app', 'latest')
      now = elapsed * 1000
      await source.resolve('app', 'latest')
      expect(registry.lines().filter(line => line.includes('token'))).toHaveLength(tokens)
      expect(registry.lines().filter(line => line.endsWith('401'))).toHaveLength(1)
    }
  })

  test('may be called access_token', async () => {
    const hook = only(/token/, async (request, next) => {
      const { token } = JSON.parse(Buffer.from((await next(request)).body).toString()) as { readonly token: string }
      return json(200, { access_token: token, token: '' })
    })
    const { source } = await openRegistry({ latest: IMAGE }, { registry: { hooks: [hook], hook: tokenAuth() } })
    expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
  })

  test('is waited for where the token server is busy', async () => {
    const hooks = [only(/token/, first(2, fails(503)))]
    const { source, pauses } = await openRegistry({ latest: IMAGE }, { registry: { hooks, hook: tokenAuth() } })
    expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
    expect(pauses).toHaveLength(2)
  })

  test('does not make a dead token server’s failures multiply', async () => {
    const hooks = [only(/token/, fails(503))]
    const { registry, source } = await openRegistry({ latest: IMAGE }, { registry: { hooks, hook: tokenAuth() } })
    expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({ code: 'unreachable' })
    expect(registry.lines().filter(line => line.includes('token'))).toHaveLength(4)
  })

  test.each([['{}'], ['<html>'], ['{"token":5}'], [JSON.stringify({ token: 'a\r\nb' })]])(
    'has to be one: %s',
    async text => {
      const hooks = [only(/token/, () => ({ status: 200, headers: {}, body: Buffer.from(text) }))]
      const { source } = await openRegistry({ latest: IMAGE }, { registry: { hooks, hook: tokenAuth() } })
      expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({ code: 'bad-answer', side: 'source' })
    },
  )
})
