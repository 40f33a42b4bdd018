import { expect, test } from 'vitest'
import { connectTo, serveTree } from './serve-support.ts'

const SECRET = 'nobody may read this'

/** Ways to write "..", "." and "/" that some server somewhere has taken for them. */
const DOTS = [
  '..',
  '%2e%2e',
  '%2E.',
  '.%2e',
  '%252e%252e',
  '%25%32%65%25%32%65',
  '%c0%ae%c0%ae',
  '%e0%80%ae%e0%80%ae',
  '%f0%80%80%ae%f0%80%80%ae',
  '%uff0e%uff0e',
  '%u002e%u002e',
  '%ef%bc%8e%ef%bc%8e',
  '%e2%80%a5',
  '..;',
  '..%00',
  '..%3b',
  '..%20',
  '..%0d%0a',
  '..%ff',
  '....',
  '.',
  '%2e',
  '',
]
const SLASHES = [
  '/',
  '//',
  '\\',
  '%5c',
  '%2f',
  '%252f',
  '%c0%af',
  '%e0%80%af',
  '%ef%bc%8f',
  '%e2%88%95',
  ';/',
  '/./',
  '%00/',
]
/** From folders of the registry to what lies beside them. */
const STARTS = ['/v2/', '/v2/app/', '/v2/app/manifests/', '/v2/app/blobs/', '/v2/app/tags/', '/v2/app/referrers/', '/']
const ENDS = [
  'secret',
  'v2-not/manifests/latest',
  '.registrish/secret',
  'app/manifests/latest/../../../../secret',
  'etc/passwd',
]

test('no spelling of a path leads out of v2', async () => {
  const { server, tree } = await serveTree()
  for (const path of ['secret', 'v2-not/manifests/latest', '.registrish/secret', 'v2/secret', 'v2/app/secret'])
    tree.write(path, Buffer.from(SECRET))
  const paths = new Set(
    STARTS.flatMap(start =>
      DOTS.flatMap(dots =>
        SLASHES.flatMap(slash =>
          ENDS.map((end, depth) => `${start}${`${dots}${slash}`.repeat((depth % 3) + 1)}${end}`),
        ),
      ),
    ),
  )
  const all = [...paths]
  const statuses = new Set<string>()
  for (let at = 0; at < all.length; at += 100) {
    const batch = all.slice(at, at + 100)
    const connection = await connectTo(server)
    connection.socket.end(batch.map(path => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''))
    const text = await connection.ended()
    const found = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status = '']) => status)
    expect(found.length, `answers to ${batch[found.length]}`).toBe(batch.length)
    for (const status of found) statuses.add(status)
    expect(text).not.toContain(SECRET)
    expect(text).not.toContain('root:')
  }
  expect(paths.size).toBeGreaterThan(5000)
  expect(statuses).toEqual(new Set(['400', '404']))
})
