import { expect, test } from 'vitest'
import { connectTo, serveTree } from './serve-support.ts'

const HOST = 'Host: x\r\n'
const PING = `GET /v2/ HTTP/1.1\r\n${HOST}\r\n`
/** A whole request that must never be taken for one where it stands in the body of another. */
const SMUGGLED = `GET /v2/smuggled HTTP/1.1\r\n${HOST}\r\n`

function get(headers: string, body = ''): string {
  return `GET /v2/ HTTP/1.1\r\n${HOST}${headers}\r\n${body}`
}

function statusesOf(text: string): readonly string[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status = '']) => status)
}

/** What is sent, and the statuses that may come back for it. No status: the connection may also end without a word. */
const SHAPES: readonly (readonly [name: string, bytes: string, statuses: readonly string[]])[] = [
  [
    'Content-Length and Transfer-Encoding',
    get('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
    ['400'],
  ],
  [
    'Transfer-Encoding and Content-Length',
    get('Transfer-Encoding: chunked\r\nContent-Length: 6\r\n', `0\r\n\r\n${SMUGGLED}`),
    ['400'],
  ],
  ['two Content-Length', get('Content-Length: 0\r\nContent-Length: 44\r\n', SMUGGLED), ['400']],
  ['two Content-Length alike', get('Content-Length: 4\r\nContent-Length: 4\r\n', 'abcd'), ['400']],
  ['a list as Content-Length', get('Content-Length: 4, 4\r\n', 'abcd'), ['400']],
  ['a negative Content-Length', get('Content-Length: -1\r\n'), ['400']],
  ['a signed Content-Length', get('Content-Length: +4\r\n', 'abcd'), ['400']],
  ['a hexadecimal Content-Length', get('Content-Length: 0x4\r\n', 'abcd'), ['400']],
  ['a Content-Length beyond all numbers', get(`Content-Length: ${'9'.repeat(40)}\r\n`), ['400']],
  [
    'two Transfer-Encodings',
    get('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${SMUGGLED}`),
    ['400', ''],
  ],
  ['an unknown Transfer-Encoding', get('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${SMUGGLED}`), ['400', '']],
  ['a space before the colon', get('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${SMUGGLED}`), ['400']],
  ['a folded header', get('X: a\r\n Content-Length: 10\r\n'), ['400']],
  ['lines that end in LF', `GET /v2/ HTTP/1.1\nHost: x\n\n${SMUGGLED}`, ['400']],
  ['lines that end in CR', 'GET /v2/ HTTP/1.1\rHost: x\r\r', ['400']],
  ['a NUL in the path', `GET /v2/\0 HTTP/1.1\r\n${HOST}\r\n`, ['400']],
  ['a NUL in a header', get('X: a\0b\r\n'), ['400']],
  ['raw bytes in the path', `GET /v2/\xff\x9b HTTP/1.1\r\n${HOST}\r\n`, ['400']],
  ['no Host', 'GET /v2/ HTTP/1.1\r\n\r\n', ['400']],
  ['HTTP/0.9', 'GET /v2/\r\n', ['400', '']],
  ['HTTP/0.9, with an empty line', 'GET /v2/\r\n\r\n', ['200', '400']],
  ['HTTP/1.0', 'GET /v2/ HTTP/1.0\r\n\r\n', ['200']],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', ['400']],
  ['TLS', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03', ['400']],
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', ['400']],
  ['RTSP', 'DESCRIBE rtsp://x/v2/ RTSP/1.0\r\nCSeq: 1\r\n\r\n', ['400', '405']],
  ['an unknown method', `BREW /v2/ HTTP/1.1\r\n${HOST}\r\n`, ['400']],
  ['TRACE', `TRACE /v2/ HTTP/1.1\r\n${HOST}\r\n`, ['405']],
  ['CONNECT', `CONNECT example.org:443 HTTP/1.1\r\n${HOST}\r\n`, ['']],
  ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, ['405']],
  ['GET *', `GET * HTTP/1.1\r\n${HOST}\r\n`, ['404']],
  ['a path without its slash', `GET v2/ HTTP/1.1\r\n${HOST}\r\n`, ['400']],
  ['a whole URL', `GET http://user:password@elsewhere:99/v2/ HTTP/1.1\r\n${HOST}\r\n`, ['200']],
  ['a whole URL of another kind', `GET file:///v2/ HTTP/1.1\r\n${HOST}\r\n`, ['400', '404']],
  ['a whole URL without a path', `GET http://x HTTP/1.1\r\n${HOST}\r\n`, ['404']],
  ['Upgrade to a WebSocket', get('Connection: Upgrade\r\nUpgrade: websocket\r\n'), ['200']],
  ['Upgrade to HTTP/2', get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n'), ['200']],
  ['Expect: 100-continue', get('Expect: 100-continue\r\nContent-Length: 3\r\n', 'abc'), ['100', '200']],
  ['another Expect', get('Expect: the unexpected\r\n'), ['417']],
  ['a body with GET', get('Content-Length: 5\r\n', 'abcde'), ['200']],
  ['a chunked body with GET', get('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n'), ['200']],
  ['a body that is longer than it says', get('Content-Length: 2\r\n', `ab${'\0'.repeat(100)}`), ['200', '400']],
  ['a body that is shorter than it says', get('Content-Length: 9999999999\r\n', 'abc'), ['200', '400']],
  ['chunks that are none', get('Transfer-Encoding: chunked\r\n', 'zz\r\n\r\n'), ['200', '400', '']],
  ['a chunk of 2^72 bytes', get('Transfer-Encoding: chunked\r\n', `${'f'.repeat(18)}\r\n\r\n`), ['200', '400', '']],
  [
    'a chunk extension of 100 KB',
    get('Transfer-Encoding: chunked\r\n', `1;${'a'.repeat(1e5)}\r\nx\r\n0\r\n\r\n`),
    ['200', '400', ''],
  ],
  [
    'trailers of 200 KB',
    get('Transfer-Encoding: chunked\r\n', `0\r\n${'A: b\r\n'.repeat(33_000)}\r\n`),
    ['200', '400', '431'],
  ],
  ['a request line of 1 MB', `GET /v2/${'a'.repeat(1e6)} HTTP/1.1\r\n${HOST}\r\n`, ['431', '']],
  ['a request line of 30 KB', `GET /v2/${'a'.repeat(3e4)} HTTP/1.1\r\n${HOST}\r\n`, ['404']],
  ['a method of 1 MB', `${'A'.repeat(1e6)} / HTTP/1.1\r\n\r\n`, ['400', '']],
  ['a header of 1 MB', get(`X: ${'a'.repeat(1e6)}\r\n`), ['431', '']],
  ['a header name of 1 MB', get(`${'a'.repeat(1e6)}: x\r\n`), ['431', '']],
  ['10,000 headers', get('A: b\r\n'.repeat(10_000)), ['200', '431']],
  ['200,000 headers', get('A: b\r\n'.repeat(200_000)), ['431', '']],
  ['If-None-Match of 1 MB', get(`If-None-Match: ${'"a",'.repeat(250_000)}\r\n`), ['431', '']],
  ['names of JavaScript', get('__proto__: x\r\nconstructor: y\r\ntoString: z\r\nhasOwnProperty: 1\r\n'), ['200']],
  ['a megabyte of empty lines', `${'\r\n'.repeat(500_000)}${PING}`, ['200', '400', '']],
]

test('requests of every wrong shape are refused or answered as what they are, and others are served', async () => {
  const { server, get: ask, events } = await serveTree()
  for (const [name, bytes, statuses] of SHAPES) {
    const connection = await connectTo(server)
    connection.socket.end(bytes, 'latin1')
    const found = statusesOf(await connection.ended())
    for (const status of found) expect(statuses, `${name}: ${found}`).toContain(status)
    if (found.length === 0) expect(statuses, name).toContain('')
    expect((await ask('/v2/app/manifests/latest')).status, `after ${name}`).toBe(200)
  }
  const targets = events.flatMap(event => (event.type === 'answered' ? [event.target] : []))
  expect(targets).not.toContain('/v2/smuggled')
  expect(events.filter(({ type }) => type === 'failed')).toEqual([])
})

test('the same shapes, each behind a good request, spoil no answer but their own', async () => {
  const { server } = await serveTree()
  for (const [name, bytes] of SHAPES) {
    const connection = await connectTo(server)
    connection.socket.write(PING)
    await connection.until(text => text.endsWith('\r\n\r\n{}'))
    connection.socket.end(bytes, 'latin1')
    expect(statusesOf(await connection.ended())[0], name).toBe('200')
  }
})

test('what Node would answer by itself waits its turn in JSON: no Host, and an expectation that is not met', async () => {
  const { server } = await serveTree()
  const connection = await connectTo(server)
  connection.socket.write(`${PING}${get('Expect: magic\r\n')}${PING}GET /v2/ HTTP/1.1\r\n\r\n`)
  const text = await connection.ended()
  expect(statusesOf(text)).toEqual(['200', '417', '200', '400'])
  expect(text.match(/\r\n\r\n\{"errors":\[\{"code":"BAD_REQUEST"/g)).toHaveLength(2)
})

test('random bytes, and good requests with a few bytes changed, never bring it down', async () => {
  const { server, get: ask } = await serveTree()
  let seed = 20_26
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
  const good = `GET /v2/app/manifests/latest HTTP/1.1\r\n${HOST}Range: bytes=0-1\r\nContent-Length: 3\r\n\r\nabc`
  for (let round = 0; round < 40; round++) {
    const batch = Array.from({ length: 25 }, async (_, number) => {
      const bytes = Buffer.from(number % 2 === 0 ? good : good.repeat(3), 'latin1')
      for (let change = 0; change <= random(6); change++) bytes[random(bytes.length)] = random(256)
      const connection = await connectTo(server)
      connection.socket.end(number % 5 === 0 ? Buffer.from(bytes.map(() => random(256))) : bytes)
      await connection.ended()
    })
    await Promise.all(batch)
  }
  expect((await ask('/v2/app/manifests/latest')).status).toBe(200)
})
