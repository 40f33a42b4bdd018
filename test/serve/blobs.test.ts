import { readdirSync, readlinkSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectTo, eventually, type Served, serveTree } from './serve-support.ts'

/** Larger than what the kernel takes for a client that does not read. */
const LARGE = 64 * 1024 * 1024

interface ServedBlobs extends Served {
  readonly path: string
  readonly file: string
  readonly bytes: Buffer
}

async function serveBlob(bytes: Buffer, timeouts: Parameters<typeof serveTree>[1] = {}): Promise<ServedBlobs> {
  const served = await serveTree(tree => void tree.blob('app', bytes), timeouts)
  const digest = served.tree.blobs[0]?.digest
  return {
    ...served,
    bytes,
    path: `/v2/app/blobs/${digest}`,
    file: join(served.tree.root, `v2/app/blobs/${digest}`),
  }
}

/** Descriptors of this process on files below a folder. */
function openFiles(folder: string): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(folder) ? [path] : []
    } catch {
      return [] // the descriptor that lists them
    }
  })
}

const linux = test.runIf(process.platform === 'linux')

test('a blob of many reads arrives whole, and so do its parts', async () => {
  const bytes = Buffer.alloc(3_000_001, 'registrish ')
  const { get, path } = await serveBlob(bytes)
  expect((await get(path)).body.equals(bytes)).toBe(true)
  const part = await get(path, { Range: 'bytes=1000000-2999999' })
  expect(part.body.equals(bytes.subarray(1_000_000, 3_000_000))).toBe(true)
})

linux('a thousand ranges in one request are answered in order', async () => {
  const bytes = Buffer.from(Array.from({ length: 40_000 }, (_, position) => position % 251))
  const { get, path } = await serveBlob(bytes)
  const offsets = Array.from({ length: 1024 }, (_, position) => (position * 7919) % 39_990)
  const answer = await get(path, { Range: `bytes=${offsets.map(offset => `${offset}-${offset + 3}`).join(',')}` })
  expect(answer.status).toBe(206)
  const boundary = answer.header('content-type')?.split('boundary=')[1]
  const parts = answer.body.toString('latin1').split(`--${boundary}`).slice(1, -1)
  const bodies = parts.map(part => Buffer.from(part.slice(part.indexOf('\r\n\r\n') + 4, -2), 'latin1'))
  expect(bodies).toEqual(offsets.map(offset => bytes.subarray(offset, offset + 4)))
})

linux('no descriptor stays open: after answers, HEAD, 304, 416 and clients that went away', async () => {
  const { get, send, path, tree, server } = await serveBlob(Buffer.alloc(LARGE))
  const etag = (await send({ method: 'HEAD', path })).header('etag') ?? ''
  await get(path, { Range: 'bytes=0-9' })
  await get(path, { Range: `bytes=${LARGE}-` })
  await get(path, { 'If-None-Match': etag })
  const connection = await connectTo(server)
  connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await connection.until(text => text.length > 1000)
  expect(openFiles(tree.root)).toHaveLength(1)
  connection.socket.destroy()
  await eventually(() => openFiles(tree.root).length === 0, 'the file is closed')
})

linux('pipelined requests that a stop leaves unanswered open nothing', async () => {
  const { server, path, tree, events } = await serveBlob(Buffer.alloc(LARGE), { stop: 60_000 })
  const connection = await connectTo(server, { reads: false })
  connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(4))
  await eventually(() => events.some(({ type }) => type === 'answered'), 'the first answer began')
  const stopped = server.close()
  connection.socket.resume()
  connection.socket.on('data', () => undefined)
  await connection.ended()
  await stopped
  expect(events.filter(({ type }) => type === 'answered')).toHaveLength(2)
  expect(openFiles(tree.root)).toEqual([])
})

test('a blob that is truncated while it is sent breaks the connection', async () => {
  const { server, path, file, events } = await serveBlob(Buffer.alloc(LARGE))
  const connection = await connectTo(server, { reads: false })
  connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await eventually(() => events.some(({ type }) => type === 'answered'), 'the answer began')
  truncateSync(file, 1_000_000)
  connection.socket.resume()
  let length = 0
  connection.socket.on('data', chunk => {
    length += chunk.length
  })
  await connection.ended()
  expect(length).toBeLessThan(LARGE)
  await eventually(() => events.some(({ type }) => type === 'failed'), 'the operator hears of it')
  expect(events.find(({ type }) => type === 'failed')).toMatchObject({ target: path, error: { code: 'size-mismatch' } })
})

test('a blob that is overwritten in place while it is sent does not arrive whole', async () => {
  const { server, path, file, events } = await serveBlob(Buffer.alloc(LARGE))
  const connection = await connectTo(server, { reads: false })
  connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await eventually(() => events.some(({ type }) => type === 'answered'), 'the answer began')
  writeFileSync(file, Buffer.alloc(LARGE, 1))
  let length = 0
  connection.socket.on('data', chunk => {
    length += chunk.length
  })
  connection.socket.resume()
  await connection.ended()
  expect(length).toBeLessThan(LARGE)
})

test('a blob that is replaced while it is sent arrives as it was', async () => {
  const bytes = Buffer.alloc(LARGE, 'old')
  const { server, path, file, events } = await serveBlob(bytes)
  const connection = await connectTo(server, { reads: false })
  connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  await eventually(() => events.some(({ type }) => type === 'answered'), 'the answer began')
  writeFileSync(`${file}.new`, Buffer.alloc(1000, 'new'))
  renameSync(`${file}.new`, file)
  const chunks: Buffer[] = []
  connection.socket.on('data', chunk => chunks.push(chunk))
  connection.socket.resume()
  await connection.ended()
  const received = Buffer.concat(chunks)
  expect(received.subarray(received.indexOf('\r\n\r\n') + 4).equals(bytes)).toBe(true)
})

linux('a client that stops reading is cut off, and its file closed', async () => {
  const { server, path, tree, events, get } = await serveBlob(Buffer.alloc(LARGE), { stall: 200 })
  const connection = await connectTo(server, { reads: false })
  connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await eventually(() => events.some(({ type }) => type === 'answered'), 'the answer began')
  expect((await get('/v2/')).status).toBe(200)
  await eventually(() => openFiles(tree.root).length === 0, 'the file is closed')
  connection.socket.resume()
  await connection.ended()
})
