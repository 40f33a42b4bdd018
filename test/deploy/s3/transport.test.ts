import { expect, test } from 'vitest'
import { startServer } from '../../http/http-support.ts'
import { openStore } from './support.ts'

test.each([
  ['without a body and a type: there is nothing', { 'content-length': '0' }, '', undefined],
  ['without a body, of a type: it is not S3', { 'content-length': '0', 'content-type': 'text/html' }, '', 'not-found'],
  ['with a body of no type: it is not S3', { 'content-length': '4' }, 'gone', 'not-found'],
] as const)('a GET is answered 404 %s', async (_, headers, body, code) => {
  const server = await startServer((__, response) => response.writeHead(404, headers).end(body))
  const { store } = await openStore({ endpoint: server.url.href })
  const answer = store.get('v2/a', { limit: 1 })
  if (code === undefined) expect(await answer).toBeUndefined()
  else await expect(answer).rejects.toMatchObject({ code, message: expect.stringContaining('that is not S3') })
})

test('a listing that is answered 404 without a word fails', async () => {
  const server = await startServer((_, response) => response.writeHead(404, { 'content-length': '0' }).end())
  const { store } = await openStore({ endpoint: server.url.href })
  const pages = store.list('v2/')[Symbol.asyncIterator]()
  await expect(pages.next()).rejects.toMatchObject({ code: 'not-found', side: 'target' })
})

test('a region that is no name of one is followed nowhere, whoever says it', async () => {
  let asked = 0
  const server = await startServer((_, response) => {
    asked += 1
    response.writeHead(301, { 'content-type': 'application/xml', 'x-amz-bucket-region': 'x;id' })
    response.end('<Error><Code>PermanentRedirect</Code></Error>')
  })
  const { store } = await openStore({ endpoint: server.url.href })
  const hint = expect.stringMatching(/--s3-region REGION$/)
  await expect(store.get('v2/a', { limit: 1 })).rejects.toMatchObject({ code: 'bad-answer', hint })
  expect(asked).toBe(1)
})
