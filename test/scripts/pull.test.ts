import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pullAndVerify } from '../../scripts/sample/pull.ts'
import { asDigest, digestOf } from '../../src/oci/digest.ts'
import { type Graph, makeMultiPlatform, mediaTypeOf, rootBytes } from '../support/made-images.ts'

/** What a server answers to one request. */
interface Answer {
  readonly status: number
  readonly type: string
  readonly body: Uint8Array
  /** Docker-Content-Digest. */
  readonly digest?: string
}

test('a right image is pulled whole', async () => {
  const image = await makeMultiPlatform()
  const bytes = [...image.manifests.values(), ...image.blobs.values()].reduce((sum, { length }) => sum + length, 0)
  const pulled = await pullAndVerify(await serve(image), 'hello', 'latest')
  expect(pulled).toEqual({ platforms: ['linux/amd64', 'linux/arm64'], manifests: 3, blobs: 4, bytes })
})

describe('a wrong answer is found out', () => {
  const faults: Readonly<Record<string, readonly [RegExp, (answer: Answer) => Answer, RegExp]>> = {
    'no registry': [/v2\/$/, answer => ({ ...answer, status: 404 }), /answered 404/],
    'an absent tag': [/latest$/, answer => ({ ...answer, status: 404 }), /answered 404/],
    'a wrong media type': [/latest$/, answer => ({ ...answer, type: 'application/json' }), /wrong Content-Type/],
    'a media type with a charset': [
      /manifests\/sha256/,
      answer => ({ ...answer, type: `${answer.type}; charset=utf-8` }),
      /wrong Content-Type/,
    ],
    'a wrong digest header': [
      /latest$/,
      answer => ({ ...answer, digest: digestOf('') }),
      /wrong Docker-Content-Digest/,
    ],
    'a missing digest header': [
      /latest$/,
      ({ status, type, body }) => ({ status, type, body }),
      /wrong Docker-Content-Digest/,
    ],
    'a changed manifest': [
      /manifests\/sha256/,
      answer => ({ ...answer, body: Buffer.from(Buffer.from(answer.body).toString().replace('}', ' ')) }),
      /wrong digest/,
    ],
    'a changed blob': [/blobs/, answer => ({ ...answer, body: answer.body.map(byte => byte ^ 1) }), /wrong digest/],
    'a shorter blob': [/blobs/, answer => ({ ...answer, body: answer.body.subarray(1) }), /wrong size/],
  }
  test.each(Object.entries(faults))('%s', async (_, [where, change, message]) => {
    const address = await serve(await makeMultiPlatform(), (path, answer) =>
      where.test(path) ? change(answer) : answer,
    )
    await expect(pullAndVerify(address, 'hello', 'latest')).rejects.toThrow(message)
  })
})

/** Serves an image as `hello:latest` on loopback until the test ends; `change` may spoil an answer. */
async function serve(
  image: Graph,
  change: (path: string, answer: Answer) => Answer = (_, answer) => answer,
): Promise<string> {
  const server = createServer(({ url = '' }, response) => send(response, change(url, answerTo(url, image))))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function answerTo(path: string, image: Graph): Answer {
  if (path === '/v2/') return { status: 200, type: 'application/json', body: Buffer.from('{}') }
  const reference = /^\/v2\/hello\/(?:manifests|blobs)\/(.*)$/.exec(path)?.[1]
  const digest = asDigest(reference)
  const manifest = digest === undefined ? rootBytes(image) : image.manifests.get(digest)
  const body = manifest ?? (digest && image.blobs.get(digest))
  if (body === undefined) return { status: 404, type: 'application/json', body: Buffer.from('{}') }
  const type = manifest === undefined ? 'application/octet-stream' : mediaTypeOf(manifest)
  return { status: 200, type, body, digest: digestOf(body) }
}

function send(response: ServerResponse, { status, type, body, digest }: Answer): void {
  const headers = { 'Content-Type': type, 'Content-Length': body.length }
  response.writeHead(status, digest === undefined ? headers : { ...headers, 'Docker-Content-Digest': digest })
  response.end(body)
}
