import { expect, test } from 'vitest'
import { startServer } from '../../http/http-support.ts'
import { openStore } from './support.ts'

const COPIED = { key: 'v2/b', size: 1, contentType: 'a/b', cacheControl: 'no-cache' }

/** Where everything is one byte long, and no copy is made. */
async function openRefusing(status: number, code: string): ReturnType<typeof openStore> {
  const server = await startServer((request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { etag: '"e"', 'content-length': 1 }).end()
    else response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`)
  })
  return openStore({ endpoint: server.url.href })
}

test.each([
  [400, 'InvalidArgument'],
  [400, 'InvalidRequest'],
  [400, 'NotImplemented'],
  [501, 'NotImplemented'],
  [403, 'AccessDenied'],
])('a store that answers %d %s cannot copy: it is sent', async (status, code) => {
  const { store } = await openRefusing(status, code)
  expect(await store.copy?.('v2/a', COPIED)).toBe(false)
})

test.each([
  [400, 'InvalidToken', 'unauthorized'],
  [400, 'AccessControlListNotSupported', 'unsupported'],
  [404, 'NoSuchBucket', 'not-found'],
])('%d %s would be met by sending, too', async (status, refusal, code) => {
  const { store } = await openRefusing(status, refusal)
  await expect(store.copy?.('v2/a', COPIED)).rejects.toMatchObject({ code, side: 'target' })
})
