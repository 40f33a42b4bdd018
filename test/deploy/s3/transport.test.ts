import { expect, test } from 'vitest'
import { startServer } from '../../http/http-support.ts'
import { openStore } from './support.ts'

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
