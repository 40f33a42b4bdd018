import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openRestCalls, type RestCalls } from '../../../src/deploy/rest/calls.ts'

test('a token that was refused is asked for anew by the next request that says who asks, whatever comes in between', async () => {
  const { calls, url, given, paused } = await start()
  paused.push(async () => {
    // A chunk of another upload: the URL of its session says enough.
    const response = await calls.send({ url: new URL('/open', url), anonymous: true })
    await response.discard()
  })
  const status = await calls.run({ doing: 'write a' }, async () => {
    const response = await calls.send({ url: new URL('/closed', url) })
    await response.discard()
    return response.status
  })
  expect(status).toBe(200)
  expect(given).toEqual([false, true])
})

/** A service that takes the second token only; what is in `paused` happens before the next try. */
async function start(): Promise<{
  readonly calls: RestCalls
  readonly url: string
  readonly given: boolean[]
  readonly paused: (() => Promise<void>)[]
}> {
  const server: Server = createServer((request, response) => {
    const isOpen = request.url === '/open' || request.headers.authorization === 'new'
    response.writeHead(isOpen ? 200 : 401).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const given: boolean[] = []
  const paused: (() => Promise<void>)[] = []
  const calls = openRestCalls(
    {
      words: { title: 'store://a', astray: 'look', explain: () => undefined },
      renewable: true,
      async authorize(renew) {
        given.push(renew)
        return { authorization: given.includes(true) ? 'new' : 'old' }
      },
      async readRefusal(response) {
        await response.discard()
        return { status: response.status, code: '', text: '' }
      },
    },
    { env: {}, sleep: async () => paused.shift()?.() },
  )
  onTestFinished(async () => {
    await calls.close()
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return { calls, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, given, paused }
}
