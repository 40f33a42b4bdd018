import { expect, test } from 'vitest'
import { connectTo, eventually, type Served, serveTree } from './serve-support.ts'

const PING = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'
/** Larger than what the kernel takes for a client that does not read. */
const LARGE = 32 * 1024 * 1024

async function serveLarge(timeouts?: Parameters<typeof serveTree>[1]): Promise<Served & { readonly ask: string }> {
  const served = await serveTree(tree => {
    tree.image('app', { tags: ['latest'], note: 'app' })
    tree.blob('app', Buffer.alloc(LARGE, 'registrish'))
  }, timeouts)
  return { ...served, ask: `GET /v2/app/blobs/${served.tree.blobs.at(-1)?.digest} HTTP/1.1\r\nHost: x\r\n\r\n` }
}

async function serves({ get }: Served): Promise<void> {
  expect((await get('/v2/app/manifests/latest')).status).toBe(200)
}

function answersIn(text: string): number {
  return text.split('HTTP/1.1 ').length - 1
}

test('a body that trickles in behind GET is cut off in time, whatever was answered', async () => {
  const served = await serveTree(undefined, { head: 100, request: 200 })
  const connection = await connectTo(served.server)
  connection.socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n')
  const timer = setInterval(() => connection.socket.write('a'), 20)
  try {
    expect(await connection.ended()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  } finally {
    clearInterval(timer)
  }
  await serves(served)
})

test('a hundred clients that send a byte at a time keep nobody out, and none of them stays', async () => {
  const served = await serveTree(undefined, { head: 300 })
  const slow = await Promise.all(Array.from({ length: 100 }, () => connectTo(served.server)))
  let at = 0
  const timer = setInterval(() => {
    const byte = PING.slice(at, ++at).replace('\n', 'x')
    for (const { socket } of slow) if (socket.writable) socket.write(byte === '' ? 'x' : byte)
  }, 10)
  try {
    await serves(served)
    for (const connection of slow) expect(answersIn(await connection.ended())).toBeLessThanOrEqual(1)
  } finally {
    clearInterval(timer)
  }
  await serves(served)
})

test('a client that reads little by little gets all of it, however long it takes between', async () => {
  const served = await serveLarge({ stall: 1000 })
  const connection = await connectTo(served.server, { reads: false })
  const { socket } = connection
  socket.write(served.ask.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  let length = 0
  const began = performance.now()
  socket.on('data', chunk => {
    length += chunk.length
    socket.pause()
    setTimeout(() => socket.resume(), 4)
  })
  socket.resume()
  await connection.ended()
  expect(length).toBeGreaterThan(LARGE)
  expect(performance.now() - began, 'longer than a stall may last').toBeGreaterThan(1000)
  await serves(served)
})

test('clients that vanish without a word, window shut, are given up one and all, in the middle of answers too', async () => {
  const served = await serveLarge({ stall: 300, idle: 300, head: 300 })
  const frozen = await Promise.all(Array.from({ length: 30 }, () => connectTo(served.server, { reads: false })))
  frozen.forEach(({ socket }, number) => {
    socket.write([served.ask, PING, 'GET /v2/ HT', ''][number % 4] ?? '')
  })
  await eventually(
    () => served.events.some(event => event.type === 'answered' && event.target.includes('blobs')),
    'a blob is on its way',
  )
  await serves(served)
  // without a byte read since, the end is seen by writing: a connection the server gave up refuses more
  await eventually(() => {
    for (const { socket } of frozen) if (socket.writable) socket.write('x')
    return frozen.every(({ socket }) => socket.destroyed || !socket.writable || socket.errored !== null)
  }, 'all are gone')
  await serves(served)
})

test('resets in the middle of answers, and before them, leave nothing behind', async () => {
  const served = await serveLarge()
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 10 }, async (_, number) => {
        const connection = await connectTo(served.server)
        connection.socket.write(number % 2 === 0 ? served.ask : PING.repeat(50))
        if (number % 3 > 0) await connection.until(text => text.length > 20)
        connection.socket.resetAndDestroy()
      }),
    )
  }
  await serves(served)
  expect(served.events.filter(({ type }) => type === 'failed')).toEqual([])
})

test('a thousand different requests in one write are answered in order', async () => {
  const { server, tree } = await serveTree(made => {
    for (let number = 0; number < 10; number++) made.image('app', { tags: [`t${number}`], note: `image ${number}` })
  })
  const connection = await connectTo(server)
  const wanted = Array.from({ length: 1000 }, (_, number) => tree.manifests[(number * 7) % 10])
  const requests = wanted.map(
    (manifest, number) =>
      `${number % 3 === 0 ? 'HEAD' : 'GET'} /v2/app/manifests/${manifest?.tags[0]} HTTP/1.1\r\nHost: x\r\n\r\n`,
  )
  connection.socket.end(requests.join(''))
  const text = await connection.ended()
  const digests = [...text.matchAll(/Docker-Content-Digest: (\S+)/g)].map(match => match[1])
  expect(digests).toEqual(wanted.map(manifest => manifest?.digests[0]))
})

test('requests that wait behind answers which nobody reads are bounded, for all connections together', async () => {
  const served = await serveLarge()
  const greedy = await Promise.all(Array.from({ length: 40 }, () => connectTo(served.server, { reads: false })))
  for (const { socket } of greedy) socket.write(served.ask + PING.repeat(2100))
  // 2,100 are what one read of the server holds: a few connections fill what may wait
  await eventually(() => {
    for (const { socket } of greedy) if (socket.writable) socket.write('x')
    return greedy.filter(({ socket }) => socket.errored !== null || socket.destroyed).length >= 20
  }, 'most of them are cut off')
  await serves(served)
  for (const { socket } of greedy) socket.destroy()
  const connection = await connectTo(served.server)
  connection.socket.end(PING.repeat(3000))
  expect(answersIn(await connection.ended())).toBe(3000)
})

test('more ranges than anyone needs are answered with the whole, and a thousand in parts', async () => {
  const { get, tree } = await serveTree(made => void made.blob('app', Buffer.alloc(100_000, 'registrish')))
  const path = `/v2/app/blobs/${tree.blobs[0]?.digest}`
  const ranges = (count: number): string => `bytes=${Array.from({ length: count }, (_, at) => `${at}-${at}`).join(',')}`
  expect((await get(path, { Range: ranges(1024) })).status).toBe(206)
  const whole = await get(path, { Range: ranges(6000) })
  expect([whole.status, whole.body.length]).toEqual([200, 100_000])
  const same = await get(path, { Range: `bytes=${'0-99999,'.repeat(1000)}0-0` })
  expect([same.status, same.body.length]).toEqual([200, 100_000])
})

test('a flood of HEAD holds no file and no memory of bodies', async () => {
  const served = await serveLarge()
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const connection = await connectTo(served.server)
      connection.socket.end(served.ask.replace('GET', 'HEAD').repeat(500))
      const text = await connection.ended()
      expect(answersIn(text)).toBe(500)
      expect(text).not.toContain('registrishregistrish')
    }),
  )
  await serves(served)
})
